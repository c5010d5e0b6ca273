//! Cookies the server sets, for sticky sessions: sent back with every request.
//!
//! Domain and path are ignored, as one jar serves one server. `Max-Age` is honoured; an `Expires` date needs a wall
//! clock, which the core has not, so only dates before 2000 (the usual way to delete) count.

#[cfg(feature = "polling")]
use core::time::Duration;

use crate::time::Instant;

/// What one `Set-Cookie` header says.
#[cfg(feature = "polling")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
    /// `None`: until the client ends. `Some(0)`: delete.
    max_age: Option<u64>,
}

#[cfg(feature = "polling")]
fn parse(header: &str) -> Option<Cookie<'_>> {
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim_ascii(), value.trim_ascii());
    // (A tab is the one control character that RFC 6265bis lets in: section 5.7, step 1.)
    if name.is_empty() || header.bytes().any(|b| b != b'\t' && b.is_ascii_control()) {
        return None;
    }
    let (mut expired, mut max_age) = (false, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (key.trim_ascii(), value.trim_ascii());
        if key.eq_ignore_ascii_case("max-age") {
            max_age = value
                .parse::<i64>()
                .ok()
                .map(|secs| u64::try_from(secs).unwrap_or(0))
                .or(max_age);
        } else if key.eq_ignore_ascii_case("expires") {
            expired = value
                .split([' ', '-'])
                .any(|word| word.len() == 4 && word.starts_with("19"));
        }
    }
    // Max-Age wins over Expires (RFC 6265 section 5.3).
    Some(Cookie {
        name,
        value,
        max_age: max_age.or(expired.then_some(0)),
    })
}

/// Nothing keeps cookies for a WebSocket alone.
#[cfg(not(feature = "polling"))]
mod jar {
    use super::Instant;

    #[derive(Clone, Debug, Default)]
    pub(in crate::engine) struct Jar;

    impl Jar {
        pub(in crate::engine) const EMPTY: Self = Self;

        pub(in crate::engine) const fn set(&mut self, _: &str, _: Instant) {}

        pub(in crate::engine) const fn fit(&mut self, _: usize) {}

        pub(in crate::engine) fn iter(&self, _: Instant) -> impl Iterator<Item = (&str, &str)> {
            core::iter::empty()
        }
    }
}

#[cfg(all(feature = "polling", feature = "alloc"))]
mod jar {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// Bounds against a hostile server: of one cookie, and of all together. Servers and proxies refuse request heads of
    /// more than 8 to 16 KiB, so that a jar full of large cookies would make every later request fail.
    const MAX_COOKIES: usize = 32;
    const MAX_BYTES: usize = 4096;
    const MAX_TOTAL: usize = 8192;

    #[derive(Clone, Debug, Default)]
    pub(in crate::engine) struct Jar {
        cookies: Vec<(String, String, Option<Instant>)>,
    }

    impl Jar {
        pub(in crate::engine) const EMPTY: Self = Self {
            cookies: Vec::new(),
        };

        pub(in crate::engine) fn set(&mut self, header: &str, now: Instant) {
            let Some(cookie) = parse(header).filter(|_| header.len() <= MAX_BYTES) else {
                return;
            };
            self.cookies.retain(|(name, _, until)| {
                name != cookie.name && until.is_none_or(|until| now < until)
            });
            if cookie.max_age == Some(0) {
                return;
            }
            let until = cookie.max_age.map(|secs| now + Duration::from_secs(secs));
            self.cookies
                .push((cookie.name.into(), cookie.value.into(), until));
            self.keep(MAX_COOKIES, MAX_TOTAL);
        }

        /// Drops the oldest until the others take at most so many bytes of a request.
        pub(in crate::engine) fn fit(&mut self, bytes: usize) {
            self.keep(MAX_COOKIES, bytes);
        }

        fn keep(&mut self, most: usize, bytes: usize) {
            while self.cookies.len() > most || self.bytes() > bytes {
                let (name, ..) = self.cookies.remove(0);
                crate::fmt::say!(
                    warn,
                    "the cookie {} was dropped: the server sets more cookies than fit a request",
                    name.as_str()
                );
            }
        }

        fn bytes(&self) -> usize {
            let lens = self
                .cookies
                .iter()
                .map(|(name, value, _)| name.len() + value.len() + 3);
            lens.sum()
        }

        /// Name and value of each live cookie.
        pub(in crate::engine) fn iter(&self, now: Instant) -> impl Iterator<Item = (&str, &str)> {
            self.cookies
                .iter()
                .filter(move |(.., until)| until.is_none_or(|until| now < until))
                .map(|(name, value, _)| (name.as_str(), value.as_str()))
        }
    }
}

#[cfg(all(feature = "polling", not(feature = "alloc")))]
mod jar {
    use super::*;
    use crate::short::Short;

    /// The text whole, or nothing.
    fn exact<const N: usize>(text: &str) -> Option<Short<N>> {
        let short = Short::cut(text);
        (short.as_str().len() == text.len()).then_some(short)
    }

    /// One cookie, which is what load balancers need.
    #[derive(Clone, Debug, Default)]
    pub(in crate::engine) struct Jar {
        name: Short<32>,
        value: Short<192>,
        until: Option<Instant>,
    }

    impl Jar {
        pub(in crate::engine) const EMPTY: Self = Self {
            name: Short::EMPTY,
            value: Short::EMPTY,
            until: None,
        };

        pub(in crate::engine) fn set(&mut self, header: &str, now: Instant) {
            let Some(cookie) = parse(header) else { return };
            if cookie.max_age == Some(0) {
                if self.name.as_str() == cookie.name {
                    *self = Self::EMPTY;
                }
            } else if let (Some(name), Some(value)) = (exact(cookie.name), exact(cookie.value)) {
                let until = cookie.max_age.map(|secs| now + Duration::from_secs(secs));
                *self = Self { name, value, until };
            }
        }

        /// Drops it if it takes more than so many bytes of a request.
        pub(in crate::engine) fn fit(&mut self, bytes: usize) {
            if self.name.as_str().len() + self.value.as_str().len() + 3 > bytes
                && !self.name.is_empty()
            {
                crate::fmt::say!(
                    warn,
                    "the cookie {} was dropped: it does not fit the buffer for request heads",
                    self.name.as_str()
                );
                *self = Self::EMPTY;
            }
        }

        pub(in crate::engine) fn iter(&self, now: Instant) -> impl Iterator<Item = (&str, &str)> {
            let live = !self.name.is_empty() && self.until.is_none_or(|until| now < until);
            live.then(|| (self.name.as_str(), self.value.as_str()))
                .into_iter()
        }
    }
}

pub(in crate::engine) use jar::Jar;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "alloc")]
    #[test]
    fn the_oldest_make_way_for_what_a_request_can_carry() {
        extern crate std;
        use std::format;
        let mut jar = Jar::EMPTY;
        for n in 0..20 {
            jar.set(&format!("c{n}={}", "x".repeat(4000)), Instant::ZERO);
        }
        let names = jar.iter(Instant::ZERO).map(|(name, _)| name);
        assert!(names.eq(["c18", "c19"]));
    }

    #[test]
    fn keeps_replaces_deletes() {
        extern crate std;
        use std::format;
        let t = Instant::from_millis;
        let mut jar = Jar::EMPTY;
        jar.set("AWSALB=abc; Path=/; HttpOnly", t(0));
        jar.set("AWSALB=def; Max-Age=10", t(0));
        assert!(jar.iter(t(9_999)).eq([("AWSALB", "def")]));
        assert_eq!(jar.iter(t(10_000)).count(), 0);
        jar.set("AWSALB=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", t(0));
        assert_eq!(jar.iter(t(0)).count(), 0);
        jar.set("a=b; Expires=Wed, 21 Oct 2099 07:28:00 GMT", t(0));
        assert!(jar.iter(t(0)).eq([("a", "b")]));
        // A value may look like a query, and no other attribute makes a difference.
        let value = "bar=bar&foo=foo&John=Doe&Doe=John";
        let all = "Domain=.example.com; Path=/; HttpOnly; Secure; SameSite=strict";
        jar.set(&format!("a={value}; {all}"), t(0));
        assert!(jar.iter(t(0)).eq([("a", value)]));
        jar.set(&format!("a=b; Max-Age=1000; {all}"), t(0));
        assert!(jar.iter(t(999_999)).eq([("a", "b")]));
        assert_eq!(jar.iter(t(1_000_000)).count(), 0);
        jar.set("a=b", t(0));
        jar.set("bad", t(0));
        jar.set("a=\u{1}", t(0));
        jar.set("a=x\u{7f}", t(0));
        jar.set("a=x; Path=\u{0}", t(0));
        assert!(jar.iter(t(0)).eq([("a", "b")]));
        jar.set("\ta\t=\tb\tc\t;\tPath=/", t(0));
        assert!(jar.iter(t(0)).eq([("a", "b\tc")]));
    }
}
