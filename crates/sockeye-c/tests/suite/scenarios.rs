//! The list of scenarios that all drivers play, `sockeye_testkit::scenarios`: by a C program that does as it is told, and
//! says what it is told.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockeye_testkit::scenarios::{Args, Client, Driver, Log, Options, PATIENCE, Way};

use crate::build::{ADDRESS, bounded, compile, has};

struct C;

sockeye_testkit::scenarios!(C);
sockeye_testkit::contract!(C);

impl Driver for C {
    fn name(&self) -> &'static str {
        "C"
    }

    fn is_there(&self) -> bool {
        has(ADDRESS.compiler)
    }

    fn open(&self, options: Options, log: Log) -> Box<dyn Client> {
        let mut program = bounded(120, &compile(ADDRESS, "play", &[]));
        let way = match options.way {
            Way::Upgrade => "0",
            Way::WebSocket => "1",
            Way::Polling => "2",
        };
        program.args([&options.url, way]);
        if options.counted_auth {
            program.arg("auth");
        }
        if !options.reconnection {
            program.arg("once");
        }
        if options.patient {
            program.arg("patient");
        }
        if let Some((name, value)) = options.header {
            program.arg(format!("header={name}: {value}\r\n"));
        }
        if let Some((retries, timeout)) = options.retries {
            program.arg(format!("retries={retries}"));
            program.arg(format!("timeout={}", timeout.as_millis()));
        }
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().expect("the program starts");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, done) = channel();
        let reading = thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.expect("UTF-8");
                match line.split_at_checked(2) {
                    Some(("! ", told)) => log.write(told),
                    Some(("@ ", args)) => write_args(&log, args),
                    // Nobody waits for the answer to a command of a test that has failed.
                    Some(("= ", answer)) => drop(sender.send(answer == "1")),
                    _ => panic!("the program said {line:?}"),
                }
            }
        });
        Box::new(Program {
            child,
            stdin,
            done,
            reading,
        })
    }
}

fn write_args(log: &Log, args: &str) {
    let mut fields = args.split('\t');
    let head = fields.next().expect("a head");
    let json = fields.next().expect("arguments");
    let attachments: Vec<Vec<u8>> = fields.map(unhex).collect();
    log.write_args(head, json, attachments.iter().map(Vec::as_slice));
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|two| {
            let two = str::from_utf8(two).expect("ASCII");
            u8::from_str_radix(two, 16).expect("hexadecimal")
        })
        .collect()
}

/// The running program.
struct Program {
    child: Child,
    stdin: ChildStdin,
    /// What the commands gave.
    done: Receiver<bool>,
    reading: JoinHandle<()>,
}

impl Program {
    fn command(&mut self, fields: &[&str]) -> bool {
        let line = fields.join("\t");
        writeln!(self.stdin, "{line}").expect("the program reads commands");
        let done = self.done.recv_timeout(PATIENCE);
        done.unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn emit(
        &mut self,
        command: &str,
        nsp: &str,
        event: &str,
        args: Args<'_>,
        [question, timeout]: [&str; 2],
    ) -> bool {
        let mut json = args.json.to_owned();
        for bytes in args.attachments {
            json.push('\t');
            for byte in *bytes {
                write!(json, "{byte:02x}").expect("a String takes it");
            }
        }
        self.command(&[command, nsp, event, question, timeout, &json])
    }
}

impl Client for Program {
    fn on(&mut self, nsp: &str, event: &str, answer: Option<&'static str>) {
        match answer {
            Some(answer) => self.command(&["on", nsp, event, answer]),
            None => self.command(&["on", nsp, event]),
        };
    }

    fn emit(&mut self, nsp: &str, event: &str, args: Args<'_>) -> bool {
        Self::emit(self, "emit", nsp, event, args, ["", ""])
    }

    fn emit_volatile(&mut self, nsp: &str, event: &str, args: Args<'_>) -> bool {
        Self::emit(self, "volatile", nsp, event, args, ["", ""])
    }

    fn ask(
        &mut self,
        nsp: &str,
        event: &str,
        args: Args<'_>,
        question: u32,
        timeout: Option<Duration>,
    ) {
        let timeout = timeout.map_or(0, |timeout| timeout.as_millis()).to_string();
        let asked = Self::emit(
            self,
            "ask",
            nsp,
            event,
            args,
            [&question.to_string(), &timeout],
        );
        assert!(asked, "accepted");
    }

    fn join(&mut self, nsp: &str) {
        assert!(self.command(&["join", nsp]), "a good name, and room");
    }

    fn leave(&mut self, nsp: &str) {
        assert!(self.command(&["leave", nsp]), "it is known");
    }

    fn is_connected(&mut self, nsp: &str) -> bool {
        self.command(&["connected", nsp])
    }

    fn close(self: Box<Self>) {
        let Self {
            mut child,
            stdin,
            reading,
            ..
        } = *self;
        drop(stdin);
        let status = child.wait().expect("it can be waited for");
        assert!(status.success(), "{status}");
        reading.join().expect("it said what it may say");
    }

    fn end(self: Box<Self>) {
        self.close();
    }

    fn process(&self) -> Option<u32> {
        Some(self.child.id())
    }
}
