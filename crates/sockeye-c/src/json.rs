//! A reader for JSON values that needs no memory and no tree: a value is a piece of the text.

use core::ffi::c_char;

use sockeye_core::packet::{Args, Attachments, Text};

use crate::error::{
    Failure, INVALID_ARG, NOT_FOUND, Outcome, SOCKEYE_ERR_JSON, SOCKEYE_ERR_TYPE, guarded,
    sockeye_err_t,
};
use crate::memory::Heap;
use crate::text;

/// A JSON value: a piece of a received packet, valid as long as the callback that got it. Not ended by a zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_json_t {
    /// The first byte.
    pub data: *const c_char,
    /// How many there are.
    pub len: usize,
}

/// The types of JSON values.
pub type sockeye_json_type_t = u8;
/// Not there.
pub const SOCKEYE_JSON_NONE: sockeye_json_type_t = 0;
/// `null`
pub const SOCKEYE_JSON_NULL: sockeye_json_type_t = 1;
/// `true` or `false`
pub const SOCKEYE_JSON_BOOL: sockeye_json_type_t = 2;
/// A number.
pub const SOCKEYE_JSON_NUMBER: sockeye_json_type_t = 3;
/// A text.
pub const SOCKEYE_JSON_STRING: sockeye_json_type_t = 4;
/// An array.
pub const SOCKEYE_JSON_ARRAY: sockeye_json_type_t = 5;
/// An object; also the placeholder of an attachment.
pub const SOCKEYE_JSON_OBJECT: sockeye_json_type_t = 6;

impl sockeye_json_t {
    pub(crate) const NONE: Self = Self {
        data: core::ptr::null(),
        len: 0,
    };

    pub(crate) const fn new(text: &str) -> Self {
        Self {
            data: text.as_ptr().cast(),
            len: text.len(),
        }
    }

    /// The text.
    ///
    /// # Safety
    /// It came from this library, in a callback that has not returned.
    unsafe fn text<'a>(self) -> Outcome<&'a str> {
        // SAFETY: as promised.
        let bytes = unsafe { text::bytes(self.data.cast(), self.len) };
        core::str::from_utf8(bytes).map_err(|_| INVALID_ARG)
    }
}

/// Whether a text is exactly one JSON object.
pub(crate) fn object(json: &str) -> Outcome {
    let array = Heap::joined(&["[", json, "]"])?;
    // SAFETY: borrowed only here.
    let array = unsafe { array.text() };
    let args = Args::new(array, Attachments::EMPTY).map_err(|_| Failure(SOCKEYE_ERR_JSON))?;
    match (args.len(), args.raw(0)) {
        (1, Some(value)) if value.starts_with('{') => Ok(()),
        _ => Err(Failure(SOCKEYE_ERR_JSON)),
    }
}

/// Where the value that begins at `at` ends. The text is valid JSON: it came from a packet that was checked.
fn value_end(json: &[u8], at: usize) -> usize {
    let (mut i, mut depth) = (at, 0usize);
    while let Some(&byte) = json.get(i) {
        match byte {
            b'"' => i = string_end(json, i) - 1,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return i,
            b']' | b'}' => depth -= 1,
            b',' | b':' if depth == 0 => return i,
            _ => (),
        }
        i += 1;
        let scalar_ends = matches!(byte, b'"' | b']' | b'}');
        if depth == 0 && scalar_ends {
            return i;
        }
    }
    i.min(json.len())
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(json: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while let Some(&byte) = json.get(i) {
        match byte {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    json.len()
}

fn skip_space(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The members of an array or object, one after the other: the key with its quotes (empty in an array), and the value.
struct Members<'a> {
    json: &'a str,
    at: usize,
    object: bool,
}

impl<'a> Members<'a> {
    fn new(json: &'a str, open: char) -> Outcome<Self> {
        let json = json.trim_ascii();
        if json.starts_with(open) {
            Ok(Self {
                json,
                at: 1,
                object: open == '{',
            })
        } else {
            Err(Failure(SOCKEYE_ERR_TYPE))
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.json.as_bytes();
        let mut at = skip_space(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
        if matches!(bytes.get(at), None | Some(b']' | b'}')) {
            return None;
        }
        let mut key = "";
        if self.object {
            let end = string_end(bytes, at);
            key = self.json.get(at..end)?;
            at = skip_space(bytes, skip_space(bytes, end) + 1);
        }
        let end = value_end(bytes, at);
        self.at = end;
        Some((key, self.json.get(at..end)?.trim_ascii()))
    }
}

/// The type of a value.
pub(crate) fn kind(json: &str) -> sockeye_json_type_t {
    match json.trim_ascii().bytes().next() {
        Some(b'n') => SOCKEYE_JSON_NULL,
        Some(b't' | b'f') => SOCKEYE_JSON_BOOL,
        Some(b'"') => SOCKEYE_JSON_STRING,
        Some(b'[') => SOCKEYE_JSON_ARRAY,
        Some(b'{') => SOCKEYE_JSON_OBJECT,
        Some(_) => SOCKEYE_JSON_NUMBER,
        None => SOCKEYE_JSON_NONE,
    }
}

const TYPE: Failure = Failure(SOCKEYE_ERR_TYPE);

/// The whole number in a value: `7`, also `7.0` and `7e2`, which servers in other languages send.
pub(crate) fn int(json: &str) -> Outcome<i64> {
    let json = json.trim_ascii();
    if let Ok(int) = json.parse() {
        return Ok(int);
    }
    let double = double(json)?;
    // Up to 2^53 every whole number is a double of its own.
    let whole = double as i64;
    if whole as f64 == double && whole.unsigned_abs() <= 1 << 53 {
        Ok(whole)
    } else {
        Err(TYPE)
    }
}

pub(crate) fn double(json: &str) -> Outcome<f64> {
    if kind(json) == SOCKEYE_JSON_NUMBER {
        json.trim_ascii().parse().map_err(|_| TYPE)
    } else {
        Err(TYPE)
    }
}

pub(crate) fn boolean(json: &str) -> Outcome<bool> {
    match json.trim_ascii() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(TYPE),
    }
}

/// The string in a value.
pub(crate) fn string(json: &str) -> Outcome<Text<'_>> {
    Text::from_json(json).ok_or(TYPE)
}

/// Which attachment a value stands for.
pub(crate) fn placeholder(json: &str) -> Outcome<usize> {
    let marked = field(json, "_placeholder").and_then(boolean)?;
    let number = field(json, "num").and_then(int)?;
    match usize::try_from(number) {
        Ok(number) if marked => Ok(number),
        _ => Err(TYPE),
    }
}

pub(crate) fn field<'a>(json: &'a str, key: &str) -> Outcome<&'a str> {
    // As in JavaScript, the last of several members of one name counts.
    Members::new(json, '{')?
        .filter(|(name, _)| Text::from_json(name).is_some_and(|name| name == key))
        .last()
        .map(|(_, value)| value)
        .ok_or(NOT_FOUND)
}

pub(crate) fn item(json: &str, index: usize) -> Outcome<&str> {
    Members::new(json, '[')?
        .nth(index)
        .map(|(_, value)| value)
        .ok_or(NOT_FOUND)
}

/// Copies a string, unescaped, and a zero into a caller's buffer, and says how long it is.
///
/// # Safety
/// `size` bytes can be written at `out`, if it is not null; `len` is null or can be written.
pub(crate) unsafe fn copy_text(
    text: Text<'_>,
    out: *mut c_char,
    size: usize,
    len: *mut usize,
) -> Outcome {
    let needed = text.chars().map(char::len_utf8).sum::<usize>();
    if !len.is_null() {
        // SAFETY: as promised.
        unsafe { *len = needed };
    }
    if out.is_null() || size <= needed {
        return Err(Failure(crate::error::SOCKEYE_ERR_BUFFER));
    }
    let mut at = 0;
    for c in text.chars() {
        let mut utf8 = [0; 4];
        let utf8 = c.encode_utf8(&mut utf8);
        // SAFETY: all characters and the zero fit, as counted above.
        unsafe { core::ptr::copy_nonoverlapping(utf8.as_ptr(), out.add(at).cast(), utf8.len()) };
        at += utf8.len();
    }
    // SAFETY: as above.
    unsafe { *out.add(at) = 0 };
    Ok(())
}

/// Writes a result through a pointer of the caller's.
///
/// # Safety
/// `out` is null or can be written.
pub(crate) unsafe fn store<T>(out: *mut T, value: T) -> Outcome {
    if out.is_null() {
        return Err(INVALID_ARG);
    }
    // SAFETY: as promised.
    unsafe { out.write(value) };
    Ok(())
}

/// The type of a value. `SOCKEYE_JSON_NONE` for one that is not there.
///
/// Errors: none.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// The value came from this library, in a callback that has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_type(value: sockeye_json_t) -> sockeye_json_type_t {
    // SAFETY: as promised.
    unsafe { value.text() }.map_or(SOCKEYE_JSON_NONE, kind)
}

/// The member `key` of an object. Of several with one name, the last.
///
/// Errors: `SOCKEYE_ERR_TYPE` if it is no object, `SOCKEYE_ERR_NOT_FOUND`. Walks over the object; any task may call it,
/// while the value is valid.
/// Threads: the callback, or a task that it waits for.
/// What comes out points into what came in: valid until the callback returns, not to be freed.
///
/// # Safety
/// The value came from this library, in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_get_field(
    value: sockeye_json_t,
    key: *const c_char,
    out: *mut sockeye_json_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe {
            let found = field(value.text()?, text::required(key)?)?;
            store(out, sockeye_json_t::new(found))
        }
    })
}

/// The item `index` of an array, from 0.
///
/// Errors: `SOCKEYE_ERR_TYPE` if it is no array, `SOCKEYE_ERR_NOT_FOUND` behind its end. Walks over the array; any task
/// may call it, while the value is valid.
/// Threads: the callback, or a task that it waits for.
/// What comes out points into what came in: valid until the callback returns, not to be freed.
///
/// # Safety
/// The value came from this library, in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_get_item(
    value: sockeye_json_t,
    index: usize,
    out: *mut sockeye_json_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, sockeye_json_t::new(item(value.text()?, index)?)) }
    })
}

/// The whole number that a value is; `7.0` counts as one.
///
/// Errors: `SOCKEYE_ERR_TYPE` if it is something else, or out of the range.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// The value came from this library, in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_as_int(
    value: sockeye_json_t,
    out: *mut i64,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, int(value.text()?)?) }
    })
}

/// The number that a value is.
///
/// Errors: `SOCKEYE_ERR_TYPE` if it is something else.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// The value came from this library, in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_as_double(
    value: sockeye_json_t,
    out: *mut f64,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, double(value.text()?)?) }
    })
}

/// The truth value that a value is.
///
/// Errors: `SOCKEYE_ERR_TYPE` if it is something else.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// The value came from this library, in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_as_bool(
    value: sockeye_json_t,
    out: *mut bool,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, boolean(value.text()?)?) }
    })
}

/// The text that a value is, unescaped and ended by a zero, copied to `out`. `len` (null: not wanted) gets its length
/// without the zero, also where it does not fit; a text may contain zeroes.
///
/// Errors: `SOCKEYE_ERR_TYPE` if it is something else, `SOCKEYE_ERR_BUFFER` if `size` is not more than the length.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// The value came from this library, in a callback that has not returned; `size` bytes can be written at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_json_as_string(
    value: sockeye_json_t,
    out: *mut c_char,
    size: usize,
    len: *mut usize,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { copy_text(string(value.text()?)?, out, size, len) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_items() {
        let json =
            r#" {"a" : [1, {"b":"x,]}\""}, "\u00e9"], "c": null,"a\u0031":true, "c":-7.0e0 }"#;
        let a = field(json, "a").unwrap();
        assert_eq!(a, r#"[1, {"b":"x,]}\""}, "\u00e9"]"#);
        assert_eq!(item(a, 0).unwrap(), "1");
        let b = field(item(a, 1).unwrap(), "b").unwrap();
        assert!(string(b).unwrap() == "x,]}\"");
        assert!(string(item(a, 2).unwrap()).unwrap() == "\u{e9}");
        assert_eq!(item(a, 3), Err(NOT_FOUND));
        assert_eq!(boolean(field(json, "a1").unwrap()), Ok(true));
        assert_eq!(
            int(field(json, "c").unwrap()),
            Ok(-7),
            "the last one counts"
        );
        assert_eq!(field(json, "d"), Err(NOT_FOUND));
        assert_eq!(field("[1]", "d"), Err(TYPE));
        assert_eq!(field("{}", "d"), Err(NOT_FOUND));
        assert_eq!(item(" [ ] ", 0), Err(NOT_FOUND));
    }

    #[test]
    fn numbers() {
        assert_eq!(int("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(int("9223372036854775808"), Err(TYPE));
        assert_eq!(int("7.5"), Err(TYPE));
        assert_eq!(int("\"7\""), Err(TYPE));
        assert_eq!(double("1e3"), Ok(1000.0));
        assert_eq!(double("null"), Err(TYPE));
    }

    #[test]
    fn only_objects_are_auth() {
        assert_eq!(object(r#" {"token":1} "#), Ok(()));
        for bad in ["", "[1]", "1", "{}{}", "{},{}", "{", r#"{"a"}"#] {
            assert_eq!(object(bad), Err(Failure(SOCKEYE_ERR_JSON)), "{bad}");
        }
    }
}
