//! The checks of single values on the command line.

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Ramp, Shard};
use crate::exit::Failure;
use crate::value::{self, Arg, Words};

/// The value of an option that may hold a secret. Neither it nor a complaint about it shows what was written, which
/// clap's own complaints would.
#[derive(Clone)]
pub(crate) struct Hidden<T>(Result<T, String>);

impl<T> Hidden<T> {
    /// The value, or what is wrong with it.
    pub(super) fn get(&self, option: &str) -> Result<&T, Failure> {
        let complaint = |why| Failure::usage(format!("{option}: {why}"));
        self.0.as_ref().map_err(complaint)
    }
}

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A parser for clap that keeps complaints for later.
pub(super) fn hidden<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Hidden<T>, Infallible> + Clone + Send + Sync + 'static {
    move |text| Ok(Hidden(parse(text)))
}

/// A value that is looked at later.
pub(super) fn word(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// `5s`, `300ms`, `1.5s`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 5s, 300ms, 2m or 1h".to_owned();
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// A time that is not nothing.
pub(super) fn positive(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| {
        if time.is_zero() {
            Err("write a time above 0".to_owned())
        } else {
            Ok(time)
        }
    })
}

/// `100/s`, or a time.
pub(super) fn ramp(text: &str) -> Result<Ramp, String> {
    let wrong = || "write clients a second as 100/s, or a time as 20s".to_owned();
    match text.strip_suffix("/s") {
        Some(number) => rate(number).map(Ramp::PerSecond).map_err(|_| wrong()),
        None => duration(text).map(Ramp::Within).map_err(|_| wrong()),
    }
}

/// So many a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok();
    number
        .filter(|number| (1e-4..=1e6).contains(number))
        .ok_or_else(|| "write a number from 0.0001 to 1000000".to_owned())
}

/// `2/8`.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let read = || {
        let (number, of) = text.split_once('/')?;
        let (number, of) = (number.parse().ok()?, of.parse().ok()?);
        (1 <= number && number <= of).then_some(Shard { number, of })
    };
    read().ok_or_else(|| "write the second of eight as 2/8".to_owned())
}

/// A moment in RFC 3339, or in seconds of the Unix epoch.
pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    let wrong =
        || "write a time as 2026-11-26T12:00:00Z, or as seconds of the Unix epoch".to_owned();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
            .ok_or_else(wrong);
    }
    humantime::parse_rfc3339(text).map_err(|_| wrong())
}

/// A JSON pointer.
pub(crate) fn pointer(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err("write a JSON pointer into the list of arguments as /0/at".to_owned())
    }
}

#[cfg(feature = "demo")]
pub(super) fn demo_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration < Duration::from_secs(3) {
        return Err("the checks need at least 3s".to_owned());
    }
    Ok(duration)
}

pub(super) fn factor(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|factor| (0.0..=1.0).contains(factor))
        .ok_or_else(|| "write a number from 0 to 1".to_owned())
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("write a header as 'Name: value'")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c))
    {
        return Err("what stands before the colon cannot be the name of a header".to_owned());
    }
    if value.chars().any(char::is_control) {
        return Err("a header's value must be one line".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write a query parameter as key=value".to_owned()),
    }
}

pub(super) fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err(format!("a path starts with a slash: /{text}"))
    }
}

pub(super) fn answer(text: &str) -> Result<(String, Option<Vec<Arg>>), String> {
    let (event, answer) = match text.split_once('=') {
        Some((event, answer)) => (event, Some(value::arguments(answer, Words::default())?)),
        None => (text, None),
    };
    if event.is_empty() {
        return Err("write the event's name first: EVENT or EVENT=JSON".to_owned());
    }
    Ok((event.to_owned(), answer))
}
