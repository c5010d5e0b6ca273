use super::*;

/// What is sent arrives, at any depth, with its attachments.
#[test]
fn binary_goes_both_ways_at_depth() {
    type Deep<'a> = (
        BinRef<'a>,
        Named<List<BinRef<'a>>>,
        [Kinds<Option<Wrap<BinRef<'a>>>>; 3],
        Map<u8, (BinRef<'a>, &'a str)>,
        Option<BinRef<'a>>,
    );
    let deep: Deep<'_> = (
        BinRef(b"zero"),
        Named {
            first: [BinRef(b"one"), BinRef(b"")].into(),
            second: Some([].into()),
            third: 3,
        },
        [
            Kinds::Newtype(Some(Wrap(BinRef(b"\0\xff")))),
            Kinds::Tuple(1, None),
            Kinds::Struct {
                value: Some(Wrap(BinRef(b"four"))),
            },
        ],
        Map::from([(7, (BinRef(b"five"), "text"))]),
        None,
    );
    let (json, attached) = encode(None, &deep).unwrap();
    assert_eq!(attached.len(), 6);
    let records = records(&attached.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let received = Args::new(&json, Attachments::new(&records, attached.len())).unwrap();
    assert_eq!(received.parse::<Deep<'_>>().unwrap(), deep);
    // And passed on as it came.
    assert_eq!(
        encode(None, &received).unwrap(),
        (json.clone(), attached.clone())
    );
    assert_eq!(received.attachments().get(0), Some(&b"zero"[..]));
    let (zero,) = received.parse::<(&[u8],)>().unwrap();
    assert!(
        records.as_ptr_range().contains(&zero.as_ptr()),
        "borrowed, not copied"
    );
    #[cfg(feature = "alloc")]
    assert_eq!(received.parse::<(Bin,)>().unwrap().0, Bin::from(b"zero"));
}

#[test]
fn placeholders_in_any_order_and_form() {
    let bytes = records(&[b"a", b"bb", b"ccc"]);
    let attachments = Attachments::new(&bytes, 3);
    let json = r#"[{"num":2,"_placeholder":true},{"extra":[{}],"_placeholder" : true , "num" : 0},{"\u005fplaceholder":true,"num":1}]"#;
    let three = Args::new(json, attachments).unwrap();
    assert_eq!(
        three.parse(),
        Ok((BinRef(b"ccc"), BinRef(b"a"), BinRef(b"bb")))
    );
    assert_eq!(
        Args::new(r#"[[{"_placeholder":true,"num":3}]]"#, attachments),
        Err(ArgsError::Placeholder)
    );
    // Even if nobody checked before.
    let mut lost = Args::trusted(
        r#"[{"_placeholder":true,"num":3},{"_placeholder":true}]"#,
        attachments,
    );
    assert_eq!(
        format!("{}", lost.next::<BinRef<'_>>().unwrap_err()),
        "argument 0: no attachment for placeholder 3 (of 3)"
    );
    assert!(lost.next::<BinRef<'_>>().is_err());
}

/// Serde collects such values before it knows their type.
#[cfg(feature = "alloc")]
#[test]
fn binary_survives_where_serde_buffers() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Tagged<'a> {
        Picture {
            #[serde(borrow)]
            data: BinRef<'a>,
            tiles: Vec<Bin>,
        },
        Text {
            text: String,
        },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Data(Bin),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        data: Option<Bin>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        id: u8,
        #[serde(flatten)]
        inner: Inner,
    }
    let sent = (
        Tagged::Picture {
            data: BinRef(b"one"),
            tiles: std::vec![Bin::from(b"two")],
        },
        [Either::Text("x".into()), Either::Data(Bin::from(b"three"))],
        Outer {
            id: 1,
            inner: Inner {
                data: Some(Bin::from(b"four")),
            },
        },
        Tagged::Text { text: "y".into() },
    );
    let (json, attached) = encode(None, &sent).unwrap();
    let records = records(&attached.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let received = Args::new(&json, Attachments::new(&records, attached.len())).unwrap();
    assert_eq!(received.parse(), Ok(sent));
}

#[test]
fn what_is_not_binary_is_refused_clearly() {
    let text = |json: &str| one::<BinRef<'_>>(json).unwrap_err();
    assert_eq!(
        text(r#"["x"]"#),
        "argument 0: expected binary data, found string \"x\""
    );
    assert_eq!(
        text("[null]"),
        "argument 0: expected binary data, found null"
    );
    assert_eq!(text("[{}]"), "argument 0: expected binary data, found map");
    assert_eq!(
        text("[[1]]"),
        "argument 0: expected binary data, found sequence"
    );
    assert_eq!(
        text(r#"[{"_placeholder":false,"num":0}]"#),
        "argument 0: expected binary data, found map"
    );
    assert_eq!(
        args("[]").next::<BinRef<'_>>(),
        Err(ArgsError::Missing { index: 0 })
    );
    assert_eq!(one::<Option<BinRef<'_>>>("[null]"), Ok(None));
    let bytes = records(&[b"a"]);
    let way = if cfg!(feature = "alloc") {
        "binary data (read it as Bin, or in a Value)"
    } else {
        "a BinRef"
    };
    let mut binary = Args::new(
        r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
        Attachments::new(&bytes, 1),
    )
    .unwrap();
    assert_eq!(
        format!("{}", binary.next::<u32>().unwrap_err()),
        format!("argument 0: expected u32, found {way}")
    );
    assert_eq!(
        format!("{}", binary.next::<&str>().unwrap_err()),
        format!("argument 1: expected a borrowed string, found {way}")
    );
}

/// Whoever does not ask for bytes is told what would take them, and never gets a placeholder, a list of numbers or defaults.
#[test]
fn types_that_cannot_hold_binary_say_so_and_name_the_way() {
    #[derive(Deserialize, Debug)]
    struct Defaults {
        #[allow(dead_code)]
        value: Option<u8>,
    }
    let bytes = records(&[b"a"]);
    let attachments = Attachments::new(&bytes, 1);
    for json in [
        r#"[{"_placeholder":true,"num":0}]"#,
        r#"[{ "num" : 0, "_placeholder" : true }]"#,
    ] {
        let args = Args::new(json, attachments).unwrap();
        let way = if cfg!(feature = "alloc") {
            "Bin, or in a Value"
        } else {
            "BinRef"
        };
        let told = |error: ArgsError| {
            let error = format!("{error}");
            assert!(error.contains(way), "{error}");
        };
        told(args.parse::<(List<u8>,)>().unwrap_err());
        told(args.parse::<(&str,)>().unwrap_err());
        told(args.parse::<(Defaults,)>().unwrap_err());
        told(args.parse::<(Map<&str, u8>,)>().unwrap_err());
        told(args.parse::<(u8,)>().unwrap_err());
        #[cfg(feature = "alloc")]
        {
            use serde_json::Value;
            told(args.parse::<(Vec<u8>,)>().unwrap_err());
            told(args.parse::<(String,)>().unwrap_err());
            told(args.parse::<(Value,)>().unwrap_err());
            told(args.parse::<Vec<Value>>().unwrap_err());
            told(
                args.parse::<(serde_json::Map<String, Value>,)>()
                    .unwrap_err(),
            );
            let json = format!(r#"[{{"a":[{}]}}]"#, &json[1..json.len() - 1]);
            let args = Args::new(&json, attachments).unwrap();
            told(args.parse::<(Value,)>().unwrap_err());
            // Without attachments it is data like any other.
            let args = Args::from_checked(&json, Attachments::EMPTY);
            assert_eq!(args.parse::<(Value,)>().unwrap().0["a"][0]["num"], 0);
        }
    }
}

/// `serde_json::json!` and `to_value` would make a list of numbers of it. Texts do, as they always did.
#[test]
#[cfg(feature = "alloc")]
fn binary_does_not_become_a_list_of_numbers_in_silence() {
    for error in [
        serde_json::to_value(Bin::from(b"a")).unwrap_err(),
        serde_json::to_value(BinRef(b"a")).unwrap_err(),
        serde_json::to_value(Some([Named {
            first: Bin::from(b"a"),
            second: None,
            third: 3,
        }]))
        .unwrap_err(),
        serde_json::to_value(Map::from([("a", BinRef(b"a"))])).unwrap_err(),
    ] {
        assert!(format!("{error}").contains("json!"), "{error}");
    }
    assert_eq!(serde_json::to_string(&Bin::from(b"a")).unwrap(), "[97]");
}
