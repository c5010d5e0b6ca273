//! Texts that are known at run time only, kept for as long as the program runs.

use core::fmt;

use crate::message::message;

/// Keeps texts that the program learns at run time (an address from flash, a token that was provisioned over BLE)
/// as `&'static str`, which a [`Config`](crate::Config) needs. Its memory is given to it once, and is never freed.
///
/// ```
/// use sockeye_embedded::{Config, Texts};
/// use static_cell::ConstStaticCell;
///
/// static MEMORY: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
///
/// # fn random(bytes: &mut [u8]) {}
/// # fn read_flash() -> ([u8; 4], u16, &'static str) { ([192, 168, 1, 10], 3000, "secret") }
/// let (ip, port, token) = read_flash();
/// let mut texts = Texts::new(MEMORY.take());
/// let [a, b, c, d] = ip;
/// let url = texts.format(format_args!("http://{a}.{b}.{c}.{d}:{port}/board"))?;
/// let mut config = Config::new(url, random)?;
/// config.core.headers = sockeye_embedded::text(texts.format(format_args!("X-Token: {token}\r\n"))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Texts {
    free: &'static mut [u8],
}

impl fmt::Debug for Texts {
    /// Says how much is free; the texts may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts")
            .field("free", &self.free.len())
            .finish_non_exhaustive()
    }
}

impl Texts {
    /// Keeps texts in `memory`.
    pub const fn new(memory: &'static mut [u8]) -> Self {
        Self { free: memory }
    }

    /// Bytes that are still free.
    pub const fn free(&self) -> usize {
        self.free.len()
    }

    /// Keeps a copy of `text`.
    ///
    /// # Errors
    /// There is not so much memory left; nothing is kept then.
    pub fn keep(&mut self, text: &str) -> Result<&'static str, NoRoom> {
        self.format(format_args!("{text}"))
    }

    /// Keeps what `text` says: `texts.format(format_args!("http://{host}:{port}/"))`.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub fn format(&mut self, text: fmt::Arguments<'_>) -> Result<&'static str, NoRoom> {
        let mut writer = Writer {
            memory: self.free,
            len: 0,
        };
        fmt::Write::write_fmt(&mut writer, text).map_err(|_| NoRoom)?;
        let len = writer.len;
        let (kept, free) = core::mem::take(&mut self.free)
            .split_at_mut_checked(len)
            .ok_or(NoRoom)?;
        self.free = free;
        core::str::from_utf8(kept).map_err(|_| NoRoom)
    }
}

struct Writer<'m> {
    memory: &'m mut [u8],
    len: usize,
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.memory.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A text does not fit the memory of [`Texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(message!(
            "D8",
            "the text does not fit the memory of `Texts`: give it more"
        ))
    }
}

impl core::error::Error for NoRoom {}

#[cfg(test)]
mod tests {
    use std::boxed::Box;

    use super::*;

    #[test]
    fn keeps_texts_until_its_memory_is_used_up() {
        let mut texts = Texts::new(Box::leak(Box::new([0; 10])));
        assert_eq!(texts.keep("h\u{f6}st"), Ok("h\u{f6}st"));
        assert_eq!(texts.free(), 5);
        assert_eq!(texts.keep("123456"), Err(NoRoom));
        assert_eq!(texts.format(format_args!("{}-{}", 12, 34)), Ok("12-34"));
        assert_eq!((texts.keep(""), texts.free()), (Ok(""), 0));
    }
}
