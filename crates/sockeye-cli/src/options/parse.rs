//! The checks of single values on the command line.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

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

/// `5s`, `300ms`, `1.5s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
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
