//! Lines of stdin, for scripts.

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;

use super::Input;

/// Reads stdin to its end. Lines that are not UTF-8 get through with replacement characters, to be refused as JSON.
pub(crate) fn lines() -> mpsc::Receiver<Input> {
    let (to, lines) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut stdin = BufReader::new(tokio::io::stdin());
        let mut line = Vec::new();
        loop {
            line.clear();
            let input = match stdin.read_until(b'\n', &mut line).await {
                Ok(0) => Input::End,
                Ok(_) => Input::Line(String::from_utf8_lossy(&line).into_owned()),
                Err(error) => Input::Broken(error.to_string()),
            };
            let last = !matches!(input, Input::Line(_));
            if to.send(input).await.is_err() || last {
                return;
            }
        }
    });
    lines
}
