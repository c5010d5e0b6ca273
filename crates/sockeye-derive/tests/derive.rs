//! What the derive makes of types: names, arguments both ways, acknowledgements.

use serde::{Deserialize, Serialize};
use sockeye_core::packet::{
    Acknowledged, Args, ArgsError, Attachments, BinRef, EmitArgs, Event, FromArgs, NoAck,
    TypedEvent, encode_args_to_slice,
};

/// The packet's array, and the attachments.
fn written<E: TypedEvent + EmitArgs>(event: &E) -> (String, Vec<Vec<u8>>) {
    let mut buffer = [0; 1000];
    let mut attachments = Vec::new();
    let (len, _) = encode_args_to_slice(Some(E::NAME), event, &mut buffer, &mut |bytes| {
        attachments.push(bytes.to_vec());
        Ok(())
    })
    .unwrap();
    let json = String::from_utf8(buffer[..len].to_vec()).unwrap();
    (json, attachments)
}

fn json<E: TypedEvent + EmitArgs>(event: &E) -> String {
    let (json, attachments) = written(event);
    assert!(attachments.is_empty());
    json
}

fn read<'a, E: FromArgs<'a>>(json: &'a str) -> Result<E, ArgsError> {
    Args::new(json, Attachments::EMPTY).unwrap().parse()
}

fn is_acknowledged_with<E: Acknowledged<Ack = A>, A>() {}
fn is_not_acknowledged<E: TypedEvent<Ack = NoAck>>() {}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(name = "a led", ack = (bool, Option<String>))]
#[serde(rename_all = "camelCase")]
struct Led {
    switched_on: bool,
}

#[test]
fn a_struct_with_names_is_one_argument_as_serde_writes_it() {
    assert_eq!(Led::NAME, "a led");
    is_acknowledged_with::<Led, (bool, Option<String>)>();
    let led = Led { switched_on: true };
    assert_eq!(json(&led), r#"["a led",{"switchedOn":true}]"#);
    assert_eq!(read(r#"[{"switchedOn":true},"more"]"#), Ok(led));
    assert!(matches!(
        read::<Led>("[]"),
        Err(ArgsError::Missing { index: 0 })
    ));
    assert!(matches!(
        read::<Led>("[true]"),
        Err(ArgsError::Invalid { index: 0, .. })
    ));
}

#[derive(Debug, PartialEq, Event)]
struct PositionChanged(i32, f32, Option<u8>);

#[test]
fn each_field_of_a_tuple_is_an_argument() {
    assert_eq!(PositionChanged::NAME, "position_changed");
    is_not_acknowledged::<PositionChanged>();
    let changed = PositionChanged(1, 2.5, None);
    assert_eq!(json(&changed), r#"["position_changed",1,2.5,null]"#);
    assert_eq!(read("[1,2.5]"), Ok(changed));
    assert!(matches!(
        read::<PositionChanged>(r#"[1,"x"]"#),
        Err(ArgsError::Invalid { index: 1, .. })
    ));
}

#[derive(Debug, PartialEq, Event)]
#[event(args, ack = ())]
struct Moved {
    x: i32,
    y: Option<i32>,
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(value)]
struct Pair(i32, i32);

#[derive(Debug, PartialEq, Event)]
struct Ready;

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Job {
    Print { pages: u32 },
    Stop,
}

#[test]
fn arguments_and_values_are_chosen() {
    is_acknowledged_with::<Moved, ()>();
    let moved = Moved { x: 1, y: None };
    assert_eq!(json(&moved), r#"["moved",1,null]"#);
    assert_eq!(read("[1]"), Ok(moved));
    assert_eq!(json(&Pair(1, 2)), r#"["pair",[1,2]]"#);
    assert_eq!(read("[[1,2]]"), Ok(Pair(1, 2)));
    assert_eq!(json(&Ready), r#"["ready"]"#);
    assert_eq!(read("[7]"), Ok(Ready));
    let job = Job::Print { pages: 2 };
    assert_eq!(json(&job), r#"["job",{"kind":"print","pages":2}]"#);
    assert_eq!(read(r#"[{"kind":"stop"}]"#), Ok(Job::Stop));
}

/// More fields than a tuple may have elements.
#[derive(Debug, PartialEq, Event)]
struct Many(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);

#[test]
fn there_may_be_any_number_of_arguments() {
    let many = Many(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
    assert_eq!(json(&many), r#"["many",0,1,2,3,4,5,6,7,8,9,10,11,12,13]"#);
    assert_eq!(read("[0,1,2,3,4,5,6,7,8,9,10,11,12,13]"), Ok(many));
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
struct News<'a> {
    title: &'a str,
    #[serde(borrow)]
    picture: BinRef<'a>,
}

#[derive(Debug, PartialEq, Event)]
struct Frame<'a>(u32, BinRef<'a>, &'a str);

#[test]
fn fields_may_borrow_both_ways_and_hold_binary_data() {
    let bytes: &[u8] = b"\x01\x02";
    let frame = Frame(7, BinRef(bytes), "end");
    let (json, attachments) = written(&frame);
    assert_eq!(json, r#"["frame",7,{"_placeholder":true,"num":0},"end"]"#);
    assert_eq!(attachments, [bytes]);
    let news = News {
        title: "hi",
        picture: BinRef(bytes),
    };
    let (json, attachments) = written(&news);
    assert_eq!(
        json,
        r#"["news",{"title":"hi","picture":{"_placeholder":true,"num":0}}]"#
    );
    assert_eq!(attachments, [bytes]);
    // A text is no binary value.
    let error = read::<News<'_>>(r#"[{"title":"hi","picture":"text"}]"#).unwrap_err();
    assert!(matches!(error, ArgsError::Invalid { index: 0, .. }));
    let text = String::from(r#"[7,{"_placeholder":true,"num":0},"end"]"#);
    let records = [&[2, 0, 0, 0][..], bytes].concat();
    let attachments = Attachments::from_records(&records, 1).expect("a record");
    let args = Args::new(&text, attachments).unwrap();
    assert_eq!(args.parse(), Ok(frame));
}

#[derive(Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(name = "batch", ack = (T,))]
struct Batch<'a, T: Clone, const N: usize>
where
    T: PartialEq,
{
    name: &'a str,
    #[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
    first: T,
}

#[derive(Debug, PartialEq, Event)]
struct Both<A, B>(A, B);

#[test]
fn types_may_be_generic() {
    let batch = Batch::<u8, 3> {
        name: "b",
        first: 7,
    };
    is_acknowledged_with::<Batch<'_, u8, 3>, (u8,)>();
    assert_eq!(json(&batch), r#"["batch",{"name":"b","first":7}]"#);
    assert_eq!(read(r#"[{"name":"b","first":7}]"#), Ok(batch));
    assert_eq!(json(&Both("a", 1.5)), r#"["both","a",1.5]"#);
    assert_eq!(read(r#"["a",[1]]"#), Ok(Both("a", [1])));
}

/// One direction is enough.
#[derive(Event, Serialize)]
struct Sent {
    at: &'static str,
}

#[derive(Event, Deserialize)]
struct Got {
    at: u8,
}

/// What is neither way is an event of which nothing can be done but to name it.
#[derive(Event)]
struct Named {
    _socket: std::marker::PhantomData<std::net::TcpStream>,
}

#[test]
fn a_type_needs_the_direction_that_is_used() {
    assert_eq!(json(&Sent { at: "x" }), r#"["sent",{"at":"x"}]"#);
    assert_eq!(read::<Got>(r#"[{"at":1}]"#).unwrap().at, 1);
    assert_eq!(Named::NAME, "named");
}

mod renamed {
    pub(crate) use sockeye_core as core;
}

#[derive(Event)]
#[event(crate = "renamed::core", name = "elsewhere")]
struct Elsewhere(u8);

#[test]
fn the_crate_may_have_another_name() {
    assert_eq!(json(&Elsewhere(1)), r#"["elsewhere",1]"#);
}
