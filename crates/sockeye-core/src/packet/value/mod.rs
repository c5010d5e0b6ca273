//! Values of any shape, binary data included: owned with `alloc`, borrowed in every tier.

mod borrowed;
#[cfg(feature = "alloc")]
mod convert;
#[cfg(feature = "alloc")]
mod macros;
#[cfg(feature = "alloc")]
mod number;
#[cfg(feature = "alloc")]
mod owned;
#[cfg(feature = "alloc")]
mod read;
#[cfg(feature = "alloc")]
mod write;

pub use borrowed::{ValueKind, ValueRef};
#[cfg(feature = "alloc")]
pub use convert::NotJson;
#[cfg(feature = "alloc")]
pub use number::Number;
#[cfg(feature = "alloc")]
pub use owned::{Map, Value, ValueIndex};
#[cfg(feature = "alloc")]
pub use read::from_value;
#[cfg(feature = "alloc")]
pub use write::to_value;

/// What [`json!`](crate::json!) needs wherever it is used.
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub mod __private {
    pub use alloc::vec;

    /// The value of an expression inside of [`json!`](crate::json!).
    #[track_caller]
    pub fn value<T: serde::Serialize + ?Sized>(value: &T) -> super::Value {
        match super::to_value(value) {
            Ok(value) => value,
            Err(error) => panic!("a value in json! cannot be written: {error}"),
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
