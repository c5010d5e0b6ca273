//! The server of these tests.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running server; dropping it stops it.
pub(crate) struct Server {
    address: SocketAddr,
    io: Option<SocketIo>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn url(&self, namespace: &str) -> String {
        format!("http://{}{namespace}", self.address)
    }

    /// Closes all connections and the port; gives the address to start again at.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        if let Some(io) = self.io.take() {
            io.close().await;
        }
        self.address
    }
}

/// Starts a Socket.IO server with the namespaces `/`, `/chat` and `/secret` (which wants a token).
pub(crate) async fn start() -> Server {
    start_at(([127, 0, 0, 1], 0).into()).await
}

/// The same at an address.
pub(crate) async fn start_at(address: SocketAddr) -> Server {
    let (layer, io) = SocketIo::builder().max_payload(10_000_000).build_layer();
    // Listeners are registered before the client is told that it has joined, or its first events could be missed.
    let open = async |socket: SocketRef| {
        listen(&socket);
        Ok::<_, &'static str>(())
    };
    io.ns("/", welcome.with(open));
    io.ns("/chat", welcome.with(open));
    let token =
        async |socket: SocketRef, TryData(auth): TryData<Value>| -> Result<(), &'static str> {
            if auth.is_ok_and(|auth| auth["token"] == "good") {
                listen(&socket);
                Ok(())
            } else {
                Err("wrong token")
            }
        };
    io.ns("/secret", welcome.with(token));
    let app = axum::Router::new().layer(layer);
    let listener = TcpListener::bind(address).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        let _ = axum::serve(listener, app).await;
    });
    Server {
        address,
        io: Some(io),
        task,
    }
}

async fn welcome(socket: SocketRef, TryData(auth): TryData<Value>) {
    let auth = auth.unwrap_or(Value::Null);
    let query = socket
        .req_parts()
        .uri
        .query()
        .unwrap_or_default()
        .to_owned();
    let header = socket
        .req_parts()
        .headers
        .get("x-test")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    socket
        .emit(
            "welcome",
            &json!({"auth": auth, "query": query, "header": header}),
        )
        .ok();
}

fn listen(socket: &SocketRef) {
    socket.on(
        "echo",
        async |Data((first, second)): Data<(Value, Value)>, ack: AckSender| {
            ack.send(&(first, second)).ok();
        },
    );
    socket.on(
        "sum",
        async |Data((a, b)): Data<(i64, i64)>, ack: AckSender| {
            ack.send(&(a + b)).ok();
        },
    );
    socket.on("turn", async |Data(bytes): Data<Bytes>, ack: AckSender| {
        let turned: Vec<u8> = bytes.iter().rev().copied().collect();
        ack.send(&(turned.len(), Bytes::from(turned))).ok();
    });
    socket.on("silent", async || {});
    socket.on("kick me", async |socket: SocketRef| {
        socket.disconnect().ok();
    });
    // Asks the client, and tells what it answered.
    socket.on(
        "ask me",
        async |socket: SocketRef, Data(question): Data<Value>| {
            let Ok(answer) = socket.emit_with_ack::<_, Value>("question", &question) else {
                return;
            };
            let heard = match answer.await {
                Ok(answer) => answer,
                Err(error) => json!({"error": error.to_string()}),
            };
            socket.emit("heard", &heard).ok();
        },
    );
    socket.on(
        "send me",
        async |socket: SocketRef, Data(count): Data<u32>| {
            for number in 0..count {
                socket.emit("number", &number).ok();
            }
        },
    );
}

/// A server that answers every connection with the same bytes: not Socket.IO.
pub(crate) async fn other(answer: &'static str) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Server {
        address,
        io: None,
        task,
    }
}

/// A server that speaks long-polling by heart: whoever joins gets this packet, as it is. Events are too large for it.
pub(crate) async fn by_heart(packet: &'static str) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let joined = std::sync::Arc::new(tokio::sync::Notify::new());
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let joined = joined.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                // Its requests are small, and come whole on the loopback interface.
                while let Ok(n @ 1..) = stream.read(&mut request).await {
                    let head = String::from_utf8_lossy(&request[..n]).into_owned();
                    let mut status = "200 OK";
                    let body = if head.starts_with("POST") {
                        let event = head.contains("\r\n\r\n42");
                        if event {
                            status = "413 Payload Too Large";
                        } else {
                            joined.notify_one();
                        }
                        "ok".to_owned()
                    } else if head.contains("sid=") {
                        joined.notified().await;
                        format!("40{{\"sid\":\"s\"}}\u{1e}{packet}")
                    } else {
                        r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#.to_owned()
                    };
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Server {
        address,
        io: None,
        task,
    }
}
