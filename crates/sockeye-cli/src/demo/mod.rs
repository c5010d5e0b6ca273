//! `sockeye demo`.
mod contract;
mod hub;
mod page;
mod picture;
mod server;
mod stats;

pub(crate) async fn run() {
    let (listener, address) = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    println!("http://{address}");
    server::serve(listener, hub::Hub::new()).await.unwrap();
}
