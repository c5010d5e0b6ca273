#![no_std]
//! The sans-I/O core of the Sockeye Socket.IO client.
