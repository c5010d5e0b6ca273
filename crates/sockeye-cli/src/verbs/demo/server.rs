//! The demo's server: socketioxide for the boards, and the page's files, feed and commands on the same port.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::socket::DisconnectReason;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;

use super::contract::{self, PictureFacts};
use super::hub::{CommandError, Hub, cause};
use super::line::Line;
use super::{echo, page};

/// The largest message that a board may send.
const MAX_MESSAGE: usize = 1 << 20;
/// How long a board has to acknowledge a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves boards and pages on `listener` until the task is dropped.
pub(crate) async fn serve(
    listener: impl Listener<Addr: std::fmt::Debug>,
    hub: Hub,
) -> io::Result<()> {
    let ticks = hub.clone();
    let router = router(hub);
    let ticker = async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            ticks.tick();
        }
    };
    tokio::select! {
        result = axum::serve(listener, router) => result,
        () = ticker => Ok(()),
    }
}

/// Binds the address of the page and of the boards.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn router(hub: Hub) -> Router {
    let (layer, io) = SocketIo::builder()
        // A cut link is noticed within seconds, as a person watching the page expects.
        .ping_interval(Duration::from_secs(5))
        .ping_timeout(Duration::from_secs(4))
        .ack_timeout(COMMAND_TIMEOUT)
        .max_payload(MAX_MESSAGE as u64)
        .ws_max_message_size(MAX_MESSAGE)
        .build_layer();
    // The server library tells a client that it has joined before it runs the handler of the namespace, and drops events
    // without a listener. So listeners are registered in the check before that.
    io.ns(
        "/",
        (async || {}).with(async |socket: SocketRef| {
            echo::listen(&socket);
            Ok::<_, Infallible>(())
        }),
    );
    let boards = hub.clone();
    let check = async move |socket: SocketRef, TryData(auth): TryData<Value>| {
        let name = contract::name_of(auth.ok().as_ref())?;
        boards.admit(&name)?;
        listen(&boards, &name, &socket);
        Ok::<_, String>(())
    };
    let boards = hub.clone();
    let joined = async move |socket: SocketRef, TryData(auth): TryData<Value>| {
        let Ok(name) = contract::name_of(auth.ok().as_ref()) else {
            return;
        };
        if let Some(Line::Socket(replaced)) = boards.joined(&name, Line::Socket(socket.clone()))
            && replaced.connected()
        {
            let _ = replaced.disconnect();
        }
        // It may have gone before it could be told.
        if !socket.connected() {
            left(&boards, &name, &socket, DisconnectReason::TransportClose);
        }
    };
    io.ns(contract::NAMESPACE, joined.with(check));

    Router::new()
        .route("/", get(|| async { page::index() }))
        .route("/app.css", get(|| async { page::style() }))
        .route("/app.js", get(|| async { page::script() }))
        .route("/favicon.svg", get(|| async { page::icon() }))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/api/feed", get(feed))
        .route("/api/boards/{name}/led", post(led))
        .route("/api/boards/{name}/picture", get(picture))
        .with_state(hub)
        .layer(layer)
}

/// Listens to the events of one board.
fn listen(hub: &Hub, name: &str, socket: &SocketRef) {
    let (hub, name) = (hub.clone(), name.to_owned());
    let (to, who) = (hub.clone(), name.clone());
    socket.on(
        "hello",
        async move |Data(facts): Data<Map<String, Value>>, ack: AckSender| {
            to.hello(&who, facts);
            let _ = ack.send(&json!({"ok": true}));
        },
    );

    let (to, who) = (hub.clone(), name.clone());
    socket.on(
        "telemetry",
        async move |Data(values): Data<Map<String, Value>>, ack: AckSender| {
            let counter = values.get("counter").cloned();
            to.telemetry(&who, values);
            let _ = ack.send(&json!({"ok": true, "counter": counter}));
        },
    );

    /// A tuple, so that it takes all arguments; the second may be missing.
    #[derive(Deserialize)]
    struct PictureArguments(Bytes, #[serde(default)] PictureFacts);
    let (to, who) = (hub.clone(), name.clone());
    socket.on(
        "picture",
        async move |Data(PictureArguments(file, facts)): Data<PictureArguments>, ack: AckSender| {
            let bytes = file.len();
            let ok = to.picture(&who, file, &facts);
            let _ = ack.send(&json!({"ok": ok, "bytes": bytes}));
        },
    );

    let (to, who) = (hub.clone(), name.clone());
    socket.on("log", async move |Data(line): Data<String>| {
        to.console(&who, &line);
    });

    socket.on_disconnect(async move |socket: SocketRef, reason: DisconnectReason| {
        left(&hub, &name, &socket, reason);
    });
}

fn left(hub: &Hub, name: &str, socket: &SocketRef, reason: DisconnectReason) {
    let goodbye = matches!(reason, DisconnectReason::ClientNSDisconnect);
    hub.left(name, &socket.id.to_string(), goodbye, cause(reason));
}

/// The page's feed: a snapshot, then every change. The browser reconnects by itself.
async fn feed(State(hub): State<Hub>) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    // Subscribe first: a change between the two is told twice rather than never.
    let changes = hub.subscribe();
    let first = snapshot(&hub).retry(Duration::from_secs(1));
    let stream = futures_util::stream::unfold(
        (Some(first), changes, hub),
        |(first, mut changes, hub)| async move {
            let event = match first {
                Some(first) => first,
                None => match changes.recv().await {
                    Ok(change) => SseEvent::default().data(&*change),
                    // A page that fell behind starts anew.
                    Err(RecvError::Lagged(_)) => snapshot(&hub),
                    Err(RecvError::Closed) => return None,
                },
            };
            Some((Ok(event), (None, changes, hub)))
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(10)))
}

fn snapshot(hub: &Hub) -> SseEvent {
    SseEvent::default().data(hub.snapshot().to_string())
}

#[derive(Deserialize)]
struct LedCommand {
    on: bool,
}

/// JSON bodies only: a form or a plain script on another site cannot send that content type unasked.
async fn led(
    State(hub): State<Hub>,
    Path(name): Path<String>,
    Json(command): Json<LedCommand>,
) -> Response {
    match hub.command(&name, command.on).await {
        Ok((on, round_trip)) => {
            Json(json!({"on": on, "round_trip_ms": round_trip.as_secs_f64() * 1e3})).into_response()
        }
        Err(error) => {
            let status = match error {
                CommandError::NotOnline => StatusCode::CONFLICT,
                CommandError::NoAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
            };
            (status, Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

async fn picture(State(hub): State<Hub>, Path(name): Path<String>) -> Response {
    match hub.picture_of(&name) {
        Some((file, media)) => {
            let headers = [
                (header::CONTENT_TYPE, media),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, file).into_response()
        }
        None => (StatusCode::NOT_FOUND, "no picture yet").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    async fn start() -> SocketAddr {
        let (listener, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        tokio::spawn(serve(listener, Hub::new()));
        address
    }

    /// Sends a request and reads until `enough` or the end.
    async fn ask(address: SocketAddr, request: &str, enough: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let mut part = [0; 4096];
        while !answer.contains(enough) {
            match stream.read(&mut part).await.unwrap() {
                0 => break,
                n => answer.push_str(&String::from_utf8_lossy(&part[..n])),
            }
        }
        answer
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn the_page_comes_whole_from_here() {
        let address = start().await;
        for (path, media, part) in [
            ("/", "text/html", "</html>"),
            ("/app.css", "text/css", "--page"),
            ("/app.js", "text/javascript", "EventSource"),
            ("/favicon.svg", "image/svg+xml", "</svg>"),
        ] {
            let answer = ask(address, &get(path), "never in there").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            assert!(
                answer.contains(&format!("content-type: {media}")) && answer.contains(part),
                "{path}"
            );
            assert!(
                answer.contains("content-security-policy: default-src 'none'"),
                "{path}"
            );
            assert!(
                !answer.contains("https://"),
                "{path} must not fetch anything"
            );
        }
    }

    #[tokio::test]
    async fn the_feed_starts_with_everything_and_goes_on() {
        let address = start().await;
        let answer = ask(address, &get("/api/feed"), "\"type\":\"totals\"").await;
        assert!(
            answer.contains("content-type: text/event-stream"),
            "{answer}"
        );
        let snapshot = answer.find("\"type\":\"snapshot\"");
        assert!(
            snapshot.is_some() && snapshot < answer.find("\"type\":\"totals\""),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn commands_are_json_and_for_boards_that_are_online() {
        let address = start().await;
        let post = |media: &str| {
            let head = "POST /api/boards/nobody/led HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
            format!("{head}Content-Type: {media}\r\nContent-Length: 11\r\n\r\n{{\"on\":true}}")
        };
        let answer = ask(address, &post("application/json"), "never in there").await;
        assert!(
            answer.starts_with("HTTP/1.1 409") && answer.contains("not online"),
            "{answer}"
        );
        // What a form of another site could send.
        let answer = ask(address, &post("text/plain"), "never in there").await;
        assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
        let answer = ask(
            address,
            &get("/api/boards/nobody/picture"),
            "never in there",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}
