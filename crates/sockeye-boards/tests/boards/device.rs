//! The board as a device of the demo.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use sockeye_boards::device::{Demo, PATIENCE, build, build_demo, lines, name, start};
use sockeye_boards::riscv::Target;

crate::on_both_chips! {
    the_board_in_the_demo: in_the_demo,
}

/// The board appears in the demo's feed with its chip, its telemetry is acknowledged, its LED obeys, its console is shown.
fn in_the_demo(target: Target) -> Result<(), String> {
    let image = build(target)?;
    build_demo()?;
    let demo = Demo::start(&["--no-devices", "--port", "0"])?;
    check(&image, target, &demo.url)
}

fn check(image: &std::path::Path, target: Target, url: &str) -> Result<(), String> {
    let (name, chip) = name(target);
    let address = url.strip_prefix("http://").unwrap_or(url).to_owned();
    let mut feed = request(
        &address,
        "GET /api/feed HTTP/1.1\r\nHost: demo\r\nAccept: text/event-stream\r\n\r\n",
    )?;
    let feed_lines = {
        let stream = feed.try_clone().map_err(|error| error.to_string())?;
        lines(stream)
    };
    let mut switched = Err("the board never acknowledged a telemetry".to_owned());
    let board = start(image, target, url, Some(5))?;
    let outcome = board.finish(|line| {
        println!("    | {line}");
        if line.starts_with("telemetry 1 acknowledged") {
            switched = switch(&address, name);
        }
    })?;
    let outcome = outcome.success()?;
    switched?;
    if !outcome.lines.iter().any(|line| line == "LED on") {
        return Err("the board's LED did not go on".to_owned());
    }
    feed.flush().ok();
    let mut seen: Vec<String> = feed_lines.try_iter().collect();
    seen.retain(|line| line.contains(name));
    for wanted in [chip, "joined as", "\"counter\"", "LED on"] {
        if !seen.iter().any(|line| line.contains(wanted)) {
            return Err(format!(
                "the demo's feed does not show `{wanted}` for {name}"
            ));
        }
    }
    feed.shutdown(std::net::Shutdown::Both).ok();
    Ok(())
}

/// Switches the LED as the page does, and expects the demo to have the board's answer.
fn switch(address: &str, name: &str) -> Result<(), String> {
    let body = "{\"on\":true}";
    let head = format!(
        "POST /api/boards/{name}/led HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let read = request(address, &head)?.read_to_string(&mut answer);
    read.map_err(|error| format!("no answer to the LED command: {error}"))?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!(
            "the LED command was answered by {}",
            answer.lines().next().unwrap_or_default()
        ))
    }
}

fn request(address: &str, head: &str) -> Result<TcpStream, String> {
    let port = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or(80);
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    });
    connected.map_err(|error| format!("no connection to the demo at {address}: {error}"))
}
