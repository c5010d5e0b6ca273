//! Redirects of the handshake: which are followed, and what goes along. No runtime is used here: drivers ask
//! [`Redirects`] when the core has one to judge, dial where it says, and hand the core the `Server` that it gives.

use sockeye_core::{Config, Redirect, Server};
use url::{Host, Url};

use super::target::Target;
use crate::client::options::is_reserved_query;
use crate::client::url::harmless;

/// So many redirects are followed in one attempt unless the builder says otherwise.
pub(crate) const DEFAULT: usize = 5;

/// Headers of the application's that go along to another origin. All others may carry a secret, under names that only
/// the application knows.
const HARMLESS: &[&str] = &[
    "accept",
    "accept-language",
    "cache-control",
    "dnt",
    "origin",
    "pragma",
    "user-agent",
];

/// The redirects of one attempt, and of the session that it became.
#[derive(Debug)]
pub(crate) struct Redirects {
    /// So many are followed in one attempt.
    max: usize,
    /// Those that there have been in this attempt. (Boxed: most connections of many have none.)
    met: Option<Box<Met>>,
}

#[derive(Debug, Default)]
struct Met {
    /// The URLs that were asked in this attempt, without query: the first is the configured one.
    asked: Vec<String>,
    /// Where the attempt has been sent last.
    at: Option<(Target, Server)>,
}

impl Redirects {
    pub(crate) const fn new(max: usize) -> Self {
        Self { max, met: None }
    }

    /// An attempt begins, at the configured server.
    pub(crate) fn reset(&mut self) {
        self.met = None;
    }

    /// The URL that the session was sent to, without what may be secret.
    pub(crate) fn url(&self) -> Option<&str> {
        let met = self.met.as_ref()?;
        met.at.as_ref()?;
        met.asked.last().map(String::as_str)
    }

    /// Judges a redirect of the handshake with the configured server, at `origin`, or with the one that the attempt was
    /// sent to: where to dial, and what the core is to ask there.
    ///
    /// # Errors
    /// Why it is not followed, for people.
    pub(crate) fn follow(
        &mut self,
        origin: &Target,
        config: &Config<'_>,
        redirect: Redirect<'_>,
    ) -> Result<(Target, Server), String> {
        let at = self.met.as_ref().and_then(|met| met.at.as_ref());
        let (target, server) = match at {
            Some(at) => at.clone(),
            None => (
                origin.clone(),
                Server {
                    host: config.host.clone().into_owned(),
                    path: config.path.clone().into_owned(),
                    query: config.query.clone().into_owned(),
                    headers: config.headers.clone().into_owned(),
                    same_origin: true,
                },
            ),
        };
        let from = request_url(&target, &server)?;
        let Redirect { status, location } = redirect;
        let to = judge(&from, location)
            .and_then(|url| self.bounded(&from, url))
            .map_err(|why| {
                let to = shown(&from, location);
                format!("the server redirects (HTTP {status}) to {to}: {why}")
            })?;
        let same_origin = is_same_origin(&from, &to);
        let hop = Server {
            host: match same_origin {
                true => server.host.clone(),
                false => authority(&to),
            },
            path: to.path().to_owned(),
            query: merged(
                &server.query,
                to.query().unwrap_or(""),
                &config.timestamp_param,
            ),
            headers: match same_origin {
                true => server.headers.clone(),
                false => without_secrets(&server.headers),
            },
            same_origin,
        };
        let target = match same_origin {
            true => target,
            false => target_of(&to),
        };
        self.met.get_or_insert_default().at = Some((target.clone(), hop.clone()));
        Ok((target, hop))
    }

    /// Counts: whether the attempt may ask this URL as well.
    fn bounded(&mut self, from: &Url, to: Url) -> Result<Url, String> {
        let asked = &mut self.met.get_or_insert_default().asked;
        if asked.is_empty() {
            asked.push(bare(from));
        }
        let to_bare = bare(&to);
        // It may send a client back to where it was, with a cookie more: only a loop without end is one.
        let again = asked.contains(&to_bare);
        if asked.len() > self.max {
            let times = self.max;
            return Err(if again {
                format!("{times} redirects have led there and back already, it is a loop")
            } else {
                format!(
                    "{times} have been followed already, which is the most: check the server's redirects"
                )
            });
        }
        asked.push(to_bare);
        Ok(to)
    }
}

/// The URL of a request, without its query.
fn request_url(target: &Target, server: &Server) -> Result<Url, String> {
    let scheme = target.scheme();
    // A `Host` header of the application's own may be none of a URL.
    Url::parse(&format!("{scheme}://{}{}", server.host, server.path))
        .or_else(|_| Url::parse(&format!("{scheme}://{}{}", target.authority(), server.path)))
        .map_err(|error| {
            format!("the server redirects, and the address it does so from is no URL: {error}")
        })
}

/// Where a `Location` leads, if it may be followed at all.
fn judge(from: &Url, location: &str) -> Result<Url, String> {
    let refuse = |why: &str| Err(why.to_owned());
    if location.is_empty() {
        return refuse("it does not say where to");
    }
    let Ok(mut url) = from.join(location) else {
        return refuse("that is no URL");
    };
    if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") || url.host().is_none() {
        return refuse("that is no http or https URL");
    }
    if is_secure(from) && !is_secure(&url) {
        return refuse("from https to http is never followed, for it would give up encryption");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a URL with credentials of the server's choice is not followed");
    }
    if url.port() == Some(0) {
        return refuse("there is no port 0");
    }
    url.set_fragment(None);
    Ok(url)
}

fn is_secure(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

fn is_same_origin(a: &Url, b: &Url) -> bool {
    is_secure(a) == is_secure(b)
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn target_of(url: &Url) -> Target {
    let host = match url.host() {
        Some(Host::Ipv6(ip)) => ip.to_string(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    Target::new(
        is_secure(url),
        &host,
        url.port_or_known_default().unwrap_or_default(),
    )
}

/// The `Host` header for a URL.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Scheme, host, port and path: what tells whether a URL has been asked before, and can be shown.
fn bare(url: &Url) -> String {
    let scheme = if is_secure(url) { "https" } else { "http" };
    format!("{scheme}://{}{}", authority(url), url.path())
}

/// The query of the session: what the redirect names, and of what was asked before, whatever it does not name. What
/// Engine.IO itself asks, which servers repeat, is written anew with every request.
fn merged(before: &str, named: &str, stamp: &str) -> String {
    let key = |pair: &str| {
        let key = url::form_urlencoded::parse(pair.as_bytes()).next();
        key.map_or(String::new(), |(key, _)| key.into_owned())
    };
    let named: Vec<(String, &str)> = named
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| (key(pair), pair))
        .filter(|(key, _)| !is_reserved_query(key) && key != stamp)
        .collect();
    let kept = before
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter(|pair| {
            let key = key(pair);
            named.iter().all(|(name, _)| *name != key)
        });
    let all: Vec<&str> = named.iter().map(|(_, pair)| *pair).chain(kept).collect();
    all.join("&")
}

/// Header lines (each ended by CRLF) without those that may carry a secret.
fn without_secrets(lines: &str) -> String {
    let harmless = |line: &&str| {
        line.split_once(':').is_some_and(|(name, _)| {
            HARMLESS
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        })
    };
    lines.split_inclusive("\r\n").filter(harmless).collect()
}

/// Where a redirect leads, for messages: short, absolute if it can be, without query and credentials, and without
/// anything that a terminal would act upon.
fn shown(from: &Url, location: &str) -> String {
    let absolute = from.join(location).ok().filter(|_| !location.is_empty());
    harmless(absolute.as_ref().map_or(location, Url::as_str))
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_core::{Entropy, text};

    fn config() -> Config<'static> {
        let mut config = Config::new(text("a.test:3000"), Entropy::Seed(1));
        config.query = text("token=s3cret&room=1");
        config.headers = text(
            "X-Key: s3cret\r\nUser-Agent: me\r\nAuthorization: s3cret\r\nCookie: s3cret\r\naccept-language: de\r\n",
        );
        config
    }

    fn at(secure: bool) -> Target {
        Target::new(secure, "a.test", 3000)
    }

    fn to(location: &str) -> Redirect<'_> {
        Redirect {
            status: 308,
            location,
        }
    }

    #[test]
    fn where_it_leads() {
        for (location, target, host, path, same) in [
            ("/other/?EIO=4", at(false), "a.test:3000", "/other/", true),
            ("down/", at(false), "a.test:3000", "/socket.io/down/", true),
            ("?x", at(false), "a.test:3000", "/socket.io/", true),
            (
                "http://A.test:3000/x#f",
                at(false),
                "a.test:3000",
                "/x",
                true,
            ),
            ("ws://a.test:3000/x", at(false), "a.test:3000", "/x", true),
            (
                "//b.test/",
                Target::new(false, "b.test", 80),
                "b.test",
                "/",
                false,
            ),
            (
                "http://a.test/",
                Target::new(false, "a.test", 80),
                "a.test",
                "/",
                false,
            ),
            (
                "https://a.test:3000/socket.io/",
                at(true),
                "a.test:3000",
                "/socket.io/",
                false,
            ),
            (
                "wss://[::1]:8443/a%20b",
                Target::new(true, "::1", 8443),
                "[::1]:8443",
                "/a%20b",
                false,
            ),
        ] {
            let (found, server) = Redirects::new(1)
                .follow(&at(false), &config(), to(location))
                .unwrap();
            assert_eq!(found, target, "{location}");
            let expected = (host, path, same);
            let found = (&*server.host, &*server.path, server.same_origin);
            assert_eq!(found, expected, "{location}");
            let headers = match same {
                true => config().headers.into_owned(),
                false => "User-Agent: me\r\naccept-language: de\r\n".into(),
            };
            assert_eq!(server.headers, headers, "{location}");
        }
    }

    #[test]
    fn the_query_is_kept() {
        for (location, query) in [
            ("/x/", "token=s3cret&room=1"),
            ("/x/?EIO=4&transport=polling&t=17", "token=s3cret&room=1"),
            ("/x/?token=s3cret&room=1&EIO=4", "token=s3cret&room=1"),
            (
                "/x/?r%6fom=2&room=3&new&sid=evil",
                "r%6fom=2&room=3&new&token=s3cret",
            ),
        ] {
            let followed = Redirects::new(1).follow(&at(false), &config(), to(location));
            assert_eq!(followed.unwrap().1.query, query, "{location}");
        }
    }

    /// A virtual host's server calls itself by its own name, and is reached at the address that was given.
    #[test]
    fn the_host_header_says_who_redirects() {
        let mut config = config();
        config.host = text("virtual.test");
        for (location, target, same) in [
            ("/x", at(false), true),
            ("http://virtual.test/x", at(false), true),
            ("http://a.test:3000/x", at(false), false),
            (
                "https://virtual.test/x",
                Target::new(true, "virtual.test", 443),
                false,
            ),
        ] {
            let (found, server) = Redirects::new(1)
                .follow(&at(false), &config, to(location))
                .unwrap();
            assert_eq!((found, server.same_origin), (target, same), "{location}");
        }
    }

    #[test]
    fn what_is_not_followed() {
        for (location, words) in [
            ("http://a.test:3000/?s3cret", "from https to http"),
            ("ws://a.test:3000/", "from https to http"),
            ("", "does not say where to"),
            ("ftp://a.test/", "no http or https URL"),
            (
                "https://u:s3cret@b.test/",
                "credentials of the server's choice",
            ),
            ("https://b.test:0/", "no port 0"),
            ("https://[", "no URL"),
            ("data:\u{1b}[31m,x\r\n", "no http or https URL"),
        ] {
            let error = Redirects::new(9)
                .follow(&at(true), &config(), to(location))
                .unwrap_err();
            assert!(
                error.contains(words) && error.starts_with("the server redirects (HTTP 308) to "),
                "{error}"
            );
            assert!(
                !error.chars().any(char::is_control) && !error.contains("s3cret"),
                "{error}"
            );
        }
    }

    #[test]
    fn how_many_are_followed() {
        let mut redirects = Redirects::new(2);
        assert_eq!(redirects.url(), None);
        for _ in 0..2 {
            let (target, _) = redirects
                .follow(&at(false), &config(), to("http://b.test/1?s3cret"))
                .unwrap();
            assert_eq!(target.host(), "b.test");
            let (_, server) = redirects.follow(&at(false), &config(), to("/2")).unwrap();
            // What was dropped on the way stays so.
            assert!(server.same_origin && !server.headers.contains("s3cret"));
            assert_eq!(redirects.url(), Some("http://b.test/2"));
            for (location, words) in [
                ("http://a.test:3000/socket.io/", "it is a loop"),
                ("/2", "it is a loop"),
                ("/3", "2 have been followed already"),
            ] {
                let error = redirects
                    .follow(&at(false), &config(), to(location))
                    .unwrap_err();
                assert!(error.contains(words), "{error}");
            }
            redirects.reset();
            assert_eq!(redirects.url(), None);
        }
    }
}
