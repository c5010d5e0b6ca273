//! Options as they are given: checked, and encoded for the wire.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use serde::Serialize;
use sockeye_core::NspOptions;

use crate::client::error::{BoxError, ConnectError};

pub(crate) type AuthFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;
pub(crate) type PairsFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;
pub(crate) type PairsFn = Arc<dyn Fn() -> PairsFuture + Send + Sync>;

/// Where the `auth` payload comes from.
#[derive(Clone)]
pub(crate) enum AuthSource {
    None,
    /// A JSON object.
    Value(Arc<str>),
    Function(Arc<dyn Fn() -> AuthFuture + Send + Sync>),
}

impl AuthSource {
    pub(crate) fn value(auth: &impl Serialize) -> Result<Self, ConnectError> {
        let json = auth_json(auth).map_err(|error| ConnectError::config(error.to_string()))?;
        Ok(if json.is_empty() {
            Self::None
        } else {
            Self::Value(json.into())
        })
    }

    pub(crate) fn function<F, T>(auth: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Serialize,
    {
        Self::Function(Arc::new(move || {
            let value = auth();
            Box::pin(async move { auth_json(&value.await?) })
        }))
    }
}

/// Calls and awaits user code; a panic in it is an error.
pub(crate) async fn caught(
    source: Arc<dyn Fn() -> PairsFuture + Send + Sync>,
) -> Result<String, BoxError> {
    let panicked = || BoxError::from("the function panicked");
    let mut future = catch_unwind(AssertUnwindSafe(|| source())).map_err(|_| panicked())?;
    std::future::poll_fn(move |cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        poll.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
    })
    .await
}

impl fmt::Debug for AuthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the payload: it is a secret more often than not.
        f.write_str(match self {
            Self::None => "none",
            Self::Value(_) => "value",
            Self::Function(_) => "function",
        })
    }
}

fn auth_json(auth: &impl Serialize) -> Result<String, BoxError> {
    let json = serde_json::to_string(auth)?;
    // Never the payload itself: it is a secret more often than not.
    let what = match json.as_bytes().first() {
        Some(b'{') => return Ok(json),
        Some(b'n') => return Ok(String::new()),
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    };
    Err(format!("auth must be a JSON object such as {{\"token\":\"…\"}}, not {what}").into())
}

/// The default options of a namespace: `auth` is always asked for, so that it may change at any time.
pub(crate) fn nsp_options() -> NspOptions {
    let mut options = NspOptions::default();
    options.auth = true;
    options
}

/// Checks a namespace name, and adds the leading `/`.
pub(crate) fn check_namespace(name: &str) -> Result<String, ConnectError> {
    if name.contains(',') || name.chars().any(char::is_control) {
        return Err(ConnectError::config(format!(
            "bad namespace {name:?}: commas and control characters cannot be sent"
        )));
    }
    if name.len() > 4000 {
        return Err(ConnectError::config(format!(
            "the namespace is too long: {} bytes, 4000 at most",
            name.len()
        )));
    }
    Ok(if name.starts_with('/') {
        name.to_owned()
    } else {
        format!("/{name}")
    })
}

pub(crate) fn encode_query<K: AsRef<str>, V: AsRef<str>>(
    query: impl IntoIterator<Item = (K, V)>,
) -> String {
    let mut out = ::url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in query {
        out.append_pair(key.as_ref(), value.as_ref());
    }
    // A space as the official client writes it: not every server takes a plus sign for one. (A plus sign itself is %2B.)
    out.finish().replace('+', "%20")
}

/// A name as HTTP understands it.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(crate) fn encode_headers<K: AsRef<str>, V: AsRef<str>>(
    headers: impl IntoIterator<Item = (K, V)>,
) -> Result<String, ConnectError> {
    let mut out = String::new();
    for (name, value) in headers {
        let (name, value) = (name.as_ref(), value.as_ref());
        if !is_token(name) {
            return Err(ConnectError::config(format!(
                "bad header name {name:?}: letters, digits and - only"
            )));
        }
        if value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
            return Err(ConnectError::config(format!(
                "bad value of header {name}: no line breaks or control characters"
            )));
        }
        if let Some(objection) = crate::net::headers::objection(name) {
            return Err(ConnectError::config(objection));
        }
        out.push_str(&format!("{name}: {}\r\n", value.trim()));
    }
    Ok(out)
}

/// Query keys that belong to Engine.IO.
pub(crate) fn is_reserved_query(key: &str) -> bool {
    ["EIO", "transport", "sid", "j", "b64"].contains(&key)
}

pub(crate) fn check_query(key: &str) -> Result<(), ConnectError> {
    if is_reserved_query(key) {
        return Err(ConnectError::config(format!(
            "the query key {key} is used by Engine.IO itself: leave it out, or choose another"
        )));
    }
    Ok(())
}
