//! The page's files, part of the program: nothing is fetched from anywhere else.

use axum::http::header;
use axum::response::IntoResponse;

/// Only our own files and the feed: a board's texts and pictures cannot bring anything along.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(media: &'static str, body: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body)
}

pub(crate) fn index() -> impl IntoResponse {
    file("text/html; charset=utf-8", include_str!("page/index.html"))
}

pub(crate) fn style() -> impl IntoResponse {
    file("text/css; charset=utf-8", include_str!("page/app.css"))
}

pub(crate) fn script() -> impl IntoResponse {
    file(
        "text/javascript; charset=utf-8",
        include_str!("page/app.js"),
    )
}

pub(crate) fn icon() -> impl IntoResponse {
    file("image/svg+xml", include_str!("page/favicon.svg"))
}
