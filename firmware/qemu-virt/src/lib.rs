//! Board support for QEMU's `virt` machine (rv32), and what the images in `src/bin` share.
//!
//! An image is an embassy `main` that calls [`board::init`], hands the network device to
//! [`net::up`] and ends with [`board::exit`]. Nothing here allocates; a heap exists only with
//! the feature `tls`, because Mbed TLS wants one.
#![no_std]

pub mod board;
pub mod net;
#[cfg(feature = "tls")]
pub mod tls;
