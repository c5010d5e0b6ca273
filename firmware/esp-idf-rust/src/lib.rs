//! A board as a Socket.IO client, on threads: the application, and how its connections are made. Nothing here needs
//! ESP-IDF, so that it is compiled and tested wherever Rust is; `main.rs` is what does.

pub mod app;
pub mod connect;
