//! A token that is fetched anew for every connection: `cargo run --example auth -- http://localhost:3000`.

use sockeye::{BoxError, Client, ConnectErrorKind};

/// Stands for a request to whoever gives out tokens. When it fails, the client tries again later.
async fn fetch_token() -> Result<String, BoxError> {
    Ok("a fresh one".into())
}

pub(crate) async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = Client::builder(url)
        .auth_with(|| async { Ok(serde_json::json!({ "token": fetch_token().await? })) })
        .on_connect_error(|_, error| match error.kind() {
            ConnectErrorKind::Refused => {
                println!("refused: {} {:?}", error.message(), error.data());
            }
            ConnectErrorKind::Auth => println!("no token: {error}"),
            _ => println!("not connected: {error}"),
        })
        .connect()
        .await?;
    println!("joined as {}", socket.id().unwrap_or_default());
    socket.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000")).await
}
