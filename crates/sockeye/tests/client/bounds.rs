//! What the public types promise to the compiler, and how large futures are.

use futures_util::Stream;
use sockeye::*;

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send>(_: &T) {}

#[test]
fn public_types_can_be_shared_between_threads() {
    shared::<Socket>();
    shared::<Responder>();
    shared::<Event>();
    shared::<Args>();
    shared::<Bin>();
    shared::<EventStream>();
    // What a stream carries need not be shared itself.
    shared::<EventStream<(std::cell::Cell<u8>,)>>();
    shared::<WeakSocket>();
    shared::<StreamOptions>();
    shared::<Overflow>();
    shared::<NoticeStream>();
    shared::<Manager>();
    shared::<EmitWithAck<(std::rc::Rc<u8>,)>>();
    shared::<HandlerId>();
    shared::<ConnectError>();
    shared::<AckError>();
    shared::<EmitError>();
    shared::<Disconnected>();
    shared::<Notice>();
    shared::<AckFuture<(String,)>>();
    // An answer that is not `Send` itself does not matter to the future.
    shared::<AckFuture<(std::rc::Rc<u8>,)>>();
    fn builder<T: Send + Unpin + 'static>() {}
    builder::<ClientBuilder>();
    builder::<NamespaceBuilder>();
    fn stream<T: Stream<Item = I>, I>() {}
    stream::<EventStream, Event>();
    stream::<EventStream<(u8,)>, (u8,)>();
    stream::<NoticeStream, Notice>();
    fn error<T: std::error::Error + Clone>() {}
    error::<ConnectError>();
    error::<AckError>();
    error::<CloseError>();
    error::<EmitError>();
}

#[tokio::test]
async fn futures_can_move_between_threads() {
    let socket = Client::builder("http://127.0.0.1:1").open().unwrap();
    sent(&socket.connect());
    sent(&socket.room());
    sent(&socket.flush());
    sent(&socket.emit_with_ack::<_, (u32,)>("x", ()));
    sent(&socket.ready());
    sent(&socket.clone().close());
    sent(&socket.namespace("/a").connect());
    sent(&Client::builder("http://127.0.0.1:1").connect());
    let mut events = socket.events();
    sent(&events.next());
}
