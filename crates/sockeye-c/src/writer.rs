//! The writer for arguments: what it makes is JSON, or an error.

use core::ffi::c_char;

use sockeye_core::packet::{Args, Attachments, encode_args_to_slice};

use crate::args::sockeye_bytes_t;
use crate::emit::SOCKEYE_MAX_ATTACHMENTS;
use crate::error::{
    Failure, INVALID_ARG, INVALID_STATE, Outcome, SOCKEYE_ERR_BUFFER, SOCKEYE_ERR_JSON,
    SOCKEYE_ERR_TOO_MANY_ATTACHMENTS, SOCKEYE_ERR_TYPE, SOCKEYE_OK, code, guarded, sockeye_err_t,
};
use crate::json::sockeye_json_t;
use crate::text;

/// Arrays and objects inside of one another, in an argument.
const MAX_DEPTH: u8 = 62;

/// Writes the arguments of an event into a buffer of the caller's: each value at the outer level is one argument.
///
/// ```c
/// char buffer[128];
/// sockeye_writer_t args;
/// sockeye_writer_init(&args, buffer, sizeof buffer);
/// sockeye_writer_string(&args, "kitchen");
/// sockeye_writer_begin_object(&args);
/// sockeye_writer_key(&args, "celsius");
/// sockeye_writer_double(&args, 21.5);
/// sockeye_writer_end(&args);
/// sockeye_client_emit_args(client, NULL, "reading", &args);
/// ```
///
/// The first error stays, further calls do nothing, and the emit gives it: so the calls between need no checks. What is
/// out of turn (a value in an object without a key, a key in an array, an end without a beginning) is
/// `SOCKEYE_ERR_INVALID_STATE`, what does not fit is `SOCKEYE_ERR_BUFFER`. A writer belongs to one task at a time. Its
/// fields are the library's.
#[repr(C)]
#[derive(Debug)]
pub struct sockeye_writer_t {
    /// The caller's buffer.
    pub buffer: *mut c_char,
    /// Bytes of it.
    pub size: usize,
    /// Bytes written.
    pub len: usize,
    /// The first error.
    pub error: sockeye_err_t,
    /// One bit a level: an object.
    pub objects: u64,
    /// Levels open.
    pub depth: u8,
    /// The next value is the first of its level.
    pub first: bool,
    /// A key has been written.
    pub keyed: bool,
    /// Bytes are not copied before the emit.
    pub attachments: [sockeye_bytes_t; SOCKEYE_MAX_ATTACHMENTS],
    /// How many there are.
    pub attachment_count: usize,
}

impl sockeye_writer_t {
    /// Room is always kept for the bracket and the zero at the end.
    fn push(&mut self, bytes: &[u8]) -> Outcome {
        if self.size - self.len < bytes.len() + 2 {
            return Err(Failure(SOCKEYE_ERR_BUFFER));
        }
        // SAFETY: `size` bytes can be written at `buffer`: a condition of `sockeye_writer_init`.
        unsafe {
            core::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.buffer.add(self.len).cast(),
                bytes.len(),
            );
        }
        self.len += bytes.len();
        Ok(())
    }

    const fn in_object(&self) -> bool {
        self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1
    }

    /// Before a value: the comma, where one is due.
    fn lead(&mut self) -> Outcome {
        if self.in_object() {
            if !self.keyed {
                return Err(INVALID_STATE);
            }
            self.keyed = false;
            return Ok(());
        }
        self.comma()
    }

    fn comma(&mut self) -> Outcome {
        if core::mem::take(&mut self.first) {
            Ok(())
        } else {
            self.push(b",")
        }
    }

    fn value(&mut self, bytes: &[u8]) -> Outcome {
        self.lead()?;
        self.push(bytes)
    }

    fn quoted(&mut self, text: &str) -> Outcome {
        self.push(b"\"")?;
        let mut rest = text.as_bytes();
        while let Some(at) = rest
            .iter()
            .position(|b| *b < 0x20 || matches!(b, b'"' | b'\\'))
        {
            let (plain, tail) = rest.split_at(at);
            self.push(plain)?;
            let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
            match tail[0] {
                b'"' => self.push(b"\\\"")?,
                b'\\' => self.push(b"\\\\")?,
                b'\n' => self.push(b"\\n")?,
                b'\r' => self.push(b"\\r")?,
                b'\t' => self.push(b"\\t")?,
                b => self.push(&[b'\\', b'u', b'0', b'0', digit(b >> 4), digit(b)])?,
            }
            rest = &tail[1..];
        }
        self.push(rest)?;
        self.push(b"\"")
    }

    fn open(&mut self, object: bool) -> Outcome {
        if self.depth == MAX_DEPTH {
            return Err(Failure(SOCKEYE_ERR_JSON));
        }
        self.value(if object { b"{" } else { b"[" })?;
        let bit = 1 << self.depth;
        self.objects = if object {
            self.objects | bit
        } else {
            self.objects & !bit
        };
        self.depth += 1;
        self.first = true;
        Ok(())
    }

    fn close(&mut self) -> Outcome {
        if self.depth == 0 || self.keyed {
            return Err(INVALID_STATE);
        }
        self.push(if self.in_object() { b"}" } else { b"]" })?;
        self.depth -= 1;
        self.first = false;
        Ok(())
    }

    fn key(&mut self, name: &str) -> Outcome {
        if !self.in_object() || self.keyed {
            return Err(INVALID_STATE);
        }
        self.comma()?;
        self.quoted(name)?;
        self.push(b":")?;
        self.keyed = true;
        Ok(())
    }

    /// A number as the core writes it.
    fn number(&mut self, number: Number) -> Outcome {
        let mut buffer = [0; 40];
        let none = &mut |_: &[u8]| Ok(());
        let written = match number {
            Number::Int(n) => encode_args_to_slice(None, &(n,), &mut buffer, none),
            Number::Uint(n) => encode_args_to_slice(None, &(n,), &mut buffer, none),
            Number::Double(n) => encode_args_to_slice(None, &(n,), &mut buffer, none),
        };
        let (len, _) = written.map_err(|_| Failure(SOCKEYE_ERR_TYPE))?;
        self.value(&buffer[1..len - 1])
    }

    /// Checked as the one item of an array: then it is one value, whatever stands in it.
    fn raw(&mut self, json: &str) -> Outcome {
        self.lead()?;
        let at = self.len;
        self.push(b"[")?;
        self.push(json.as_bytes())?;
        self.push(b"]")?;
        // SAFETY: these bytes have just been written.
        let array = unsafe { text::bytes(self.buffer.add(at).cast_const().cast(), self.len - at) };
        let array = core::str::from_utf8(array).map_err(|_| Failure(SOCKEYE_ERR_JSON))?;
        // A placeholder must come from `binary`, or it could name an attachment that is meant elsewhere.
        let args = Args::new(array, Attachments::EMPTY).map_err(|_| Failure(SOCKEYE_ERR_JSON))?;
        if args.len() != 1 {
            return Err(Failure(SOCKEYE_ERR_JSON));
        }
        self.len = at;
        self.push(json.as_bytes())
    }

    fn binary(&mut self, bytes: sockeye_bytes_t) -> Outcome {
        if bytes.data.is_null() && bytes.len > 0 {
            return Err(INVALID_ARG);
        }
        let number = self.attachment_count;
        if number == SOCKEYE_MAX_ATTACHMENTS {
            return Err(Failure(SOCKEYE_ERR_TOO_MANY_ATTACHMENTS));
        }
        self.value(b"{\"_placeholder\":true,\"num\":")?;
        self.push(&[b'0' + number as u8])?;
        self.push(b"}")?;
        self.attachments[number] = bytes;
        self.attachment_count += 1;
        Ok(())
    }

    /// Everything, as a JSON array ended by a zero. The writer can go on after it.
    pub(crate) fn json(&mut self) -> Outcome<&str> {
        if self.error != SOCKEYE_OK {
            return Err(Failure(self.error));
        }
        if self.depth > 0 || self.buffer.is_null() {
            return Err(INVALID_STATE);
        }
        // SAFETY: room has been kept for both; everything before has been written.
        let json = unsafe {
            self.buffer.add(self.len).write(b']' as c_char);
            self.buffer.add(self.len + 1).write(0);
            text::bytes(self.buffer.cast_const().cast(), self.len + 1)
        };
        core::str::from_utf8(json).map_err(|_| Failure(SOCKEYE_ERR_JSON))
    }
}

/// The numbers that can be written.
enum Number {
    Int(i64),
    Uint(u64),
    Double(f64),
}

/// Does one step, unless an earlier one failed, and remembers its error.
///
/// # Safety
/// `writer` is null or was begun.
unsafe fn step(
    writer: *mut sockeye_writer_t,
    act: impl FnOnce(&mut sockeye_writer_t) -> Outcome,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let writer = unsafe { writer.as_mut() }.ok_or(INVALID_ARG)?;
        if writer.error != SOCKEYE_OK {
            return Err(Failure(writer.error));
        }
        let outcome = act(writer);
        writer.error = code(outcome);
        outcome
    })
}

/// Begins to write arguments into `buffer`, which stays the caller's and must live as long as the writer is used.
///
/// Errors: `SOCKEYE_ERR_INVALID_ARG` for a null pointer, `SOCKEYE_ERR_BUFFER` for less than 3 bytes.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// `writer` can be written, and `size` bytes at `buffer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_init(
    writer: *mut sockeye_writer_t,
    buffer: *mut c_char,
    size: usize,
) -> sockeye_err_t {
    guarded(|| {
        if writer.is_null() {
            return Err(INVALID_ARG);
        }
        let outcome = match (buffer.is_null(), size) {
            (true, _) => Err(INVALID_ARG),
            (false, 0..3) => Err(Failure(SOCKEYE_ERR_BUFFER)),
            _ => Ok(()),
        };
        let begun = outcome.is_ok();
        // SAFETY: as promised.
        unsafe {
            writer.write(sockeye_writer_t {
                buffer: if begun { buffer } else { core::ptr::null_mut() },
                size: if begun { size } else { 0 },
                len: usize::from(begun),
                error: code(outcome),
                objects: 0,
                depth: 0,
                first: true,
                keyed: false,
                attachments: [const {
                    sockeye_bytes_t {
                        data: core::ptr::null(),
                        len: 0,
                    }
                }; SOCKEYE_MAX_ATTACHMENTS],
                attachment_count: 0,
            });
            if begun {
                buffer.write(b'[' as c_char);
            }
        }
        outcome
    })
}

/// Writes `null`.
///
/// Errors: `SOCKEYE_ERR_BUFFER` if the buffer is full, `SOCKEYE_ERR_INVALID_STATE` where no value may stand, and the first error again after one.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// `writer` is null or was begun by `sockeye_writer_init`; so for all functions of the writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_null(writer: *mut sockeye_writer_t) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.value(b"null")) }
}

/// Writes `true` or `false`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_bool(
    writer: *mut sockeye_writer_t,
    value: bool,
) -> sockeye_err_t {
    let text: &[u8] = if value { b"true" } else { b"false" };
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.value(text)) }
}

/// Writes a whole number. JavaScript rounds those beyond 2^53.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_int(
    writer: *mut sockeye_writer_t,
    value: i64,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.number(Number::Int(value))) }
}

/// Writes a whole number. JavaScript rounds those beyond 2^53.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_uint(
    writer: *mut sockeye_writer_t,
    value: u64,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.number(Number::Uint(value))) }
}

/// Writes a number, with as many digits as it takes to read the same one back. What is not finite has no JSON:
/// `SOCKEYE_ERR_TYPE`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_double(
    writer: *mut sockeye_writer_t,
    value: f64,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe {
        step(writer, |writer| {
            if value.is_finite() {
                writer.number(Number::Double(value))
            } else {
                Err(Failure(SOCKEYE_ERR_TYPE))
            }
        })
    }
}

/// Writes a text. What is not UTF-8 is `SOCKEYE_ERR_UTF8`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`; `value` ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_string(
    writer: *mut sockeye_writer_t,
    value: *const c_char,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe {
        step(writer, |writer| {
            let text = text::required(value)?;
            writer.lead()?;
            writer.quoted(text)
        })
    }
}

/// Writes a text of so many bytes, zeroes included.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`; `len` bytes can be read at `value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_string_n(
    writer: *mut sockeye_writer_t,
    value: *const c_char,
    len: usize,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe {
        step(writer, |writer| {
            if value.is_null() && len > 0 {
                return Err(INVALID_ARG);
            }
            let bytes = text::bytes(value.cast(), len);
            let text =
                core::str::from_utf8(bytes).map_err(|_| Failure(crate::error::SOCKEYE_ERR_UTF8))?;
            writer.lead()?;
            writer.quoted(text)
        })
    }
}

/// Writes JSON that is there already, such as what another library made: exactly one value, without placeholders.
/// Anything else is `SOCKEYE_ERR_JSON`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`; `json` ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_json(
    writer: *mut sockeye_writer_t,
    json: *const c_char,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.raw(text::required(json)?)) }
}

/// Writes bytes: they travel as an attachment. They are copied by the emit, not before. More than
/// `SOCKEYE_MAX_ATTACHMENTS` are `SOCKEYE_ERR_TOO_MANY_ATTACHMENTS`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`; `len` bytes can be read at `data` until the last emit by this writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_binary(
    writer: *mut sockeye_writer_t,
    data: *const u8,
    len: usize,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe {
        step(writer, |writer| {
            writer.binary(sockeye_bytes_t { data, len })
        })
    }
}

/// Begins an array. More than 62 levels are `SOCKEYE_ERR_JSON`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_begin_array(
    writer: *mut sockeye_writer_t,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.open(false)) }
}

/// Begins an object: each of its values is named by `sockeye_writer_key` before. More than 62 levels are
/// `SOCKEYE_ERR_JSON`.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_begin_object(
    writer: *mut sockeye_writer_t,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.open(true)) }
}

/// Names the next value of an object.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`; `name` ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_key(
    writer: *mut sockeye_writer_t,
    name: *const c_char,
) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, |writer| writer.key(text::required(name)?)) }
}

/// Ends the array or object that was begun last.
///
/// Errors: as `sockeye_writer_null`.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_end(writer: *mut sockeye_writer_t) -> sockeye_err_t {
    // SAFETY: as promised.
    unsafe { step(writer, sockeye_writer_t::close) }
}

/// What has been written, as a JSON array; the buffer is ended by a zero too. The writer can go on after it.
///
/// Errors: the first one; `SOCKEYE_ERR_INVALID_STATE` if an array or object is still open.
/// Threads: any task, one at a time for one writer.
///
/// # Safety
/// As `sockeye_writer_null`; `json` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_writer_get(
    writer: *mut sockeye_writer_t,
    json: *mut sockeye_json_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe {
            let writer = writer.as_mut().ok_or(INVALID_ARG)?;
            crate::json::store(json, sockeye_json_t::new(writer.json()?))
        }
    })
}
