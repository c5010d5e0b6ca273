//! One step of a scenario file.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::super::template::Template;
use super::words::{AckWord, Arguments, Auth, Name, Namespace, Pause, Repeat, Time, Yes};
use super::{Ack, Loop};

/// What one step says, before its namespaces and events have numbers.
pub(super) enum Step {
    Connect,
    Disconnect,
    Stay,
    Join {
        namespace: String,
        auth: Option<Template>,
    },
    Emit {
        namespace: Option<String>,
        event: String,
        args: Template,
        ack: Ack,
        timeout: Option<Duration>,
    },
    Wait {
        namespace: Option<String>,
        event: String,
        timeout: Option<Duration>,
    },
    Pause(Duration, Duration),
    Loop(Loop, Vec<Self>),
}

/// The words of a step.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    connect: Option<Yes>,
    disconnect: Option<Yes>,
    stay: Option<Yes>,
    join: Option<Namespace>,
    emit: Option<Name>,
    wait: Option<Name>,
    pause: Option<Pause>,
    #[serde(rename = "loop")]
    repeat: Option<Repeat>,
    // What belongs to some of them.
    namespace: Option<Namespace>,
    auth: Option<Auth>,
    args: Option<Arguments>,
    ack: Option<AckWord>,
    timeout: Option<Time>,
    every: Option<Time>,
    steps: Option<Vec<Step>>,
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step such as { emit = \"say\" } or { pause = \"1s\" }")
            }

            // Inside of this, so that a mistake has the place of the step.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
                let words = Words::deserialize(MapAccessDeserializer::new(map))?;
                words.step().map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Words {
    /// The step.
    fn step(self) -> Result<Step, String> {
        let Self {
            connect,
            disconnect,
            stay,
            join,
            emit,
            wait,
            pause,
            repeat,
            namespace,
            auth,
            args,
            ack,
            timeout,
            every,
            steps,
        } = self;
        let kinds = [
            ("connect", connect.is_some()),
            ("disconnect", disconnect.is_some()),
            ("stay", stay.is_some()),
            ("join", join.is_some()),
            ("emit", emit.is_some()),
            ("wait", wait.is_some()),
            ("pause", pause.is_some()),
            ("loop", repeat.is_some()),
        ];
        let named: Vec<&str> = kinds
            .iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| *name)
            .collect();
        let kind = match *named.as_slice() {
            [kind] => kind,
            [] => return Err("a step is expected to have one of connect, join, emit, wait, pause, loop, stay, disconnect".to_owned()),
            [first, second, ..] => return Err(format!("a step is one thing: {first} and {second} are two steps")),
        };
        let extras = [
            ("namespace", namespace.is_some(), &["emit", "wait"][..]),
            ("auth", auth.is_some(), &["join"]),
            ("args", args.is_some(), &["emit"]),
            ("ack", ack.is_some(), &["emit"]),
            ("timeout", timeout.is_some(), &["emit", "wait"]),
            ("every", every.is_some(), &["loop"]),
            ("steps", steps.is_some(), &["loop"]),
        ];
        if let Some((name, _, fit)) = extras
            .iter()
            .find(|(_, is, fit)| *is && !fit.contains(&kind))
        {
            return Err(format!(
                "{name} belongs to {}, not to {kind}",
                fit.join(" and ")
            ));
        }
        let namespace = namespace.map(|namespace| namespace.0);
        let timeout = timeout.map(|time| time.0);
        Ok(match kind {
            "connect" => Step::Connect,
            "disconnect" => Step::Disconnect,
            "stay" => Step::Stay,
            _ => {
                if let Some(Namespace(namespace)) = join {
                    Step::Join {
                        namespace,
                        auth: auth.map(|auth| auth.0),
                    }
                } else if let Some(Name(event)) = emit {
                    let ack = ack.map_or(Ack::No, |ack| ack.0);
                    if timeout.is_some() && ack == Ack::No {
                        return Err(
                            "timeout belongs to an emit with ack = true or \"later\"".to_owned()
                        );
                    }
                    let args = args.map_or_else(Template::none, |args| args.0);
                    Step::Emit {
                        namespace,
                        event,
                        args,
                        ack,
                        timeout,
                    }
                } else if let Some(Name(event)) = wait {
                    Step::Wait {
                        namespace,
                        event,
                        timeout,
                    }
                } else if let Some(Pause(from, to)) = pause {
                    Step::Pause(from, to)
                } else {
                    let Some(steps) = steps.filter(|steps| !steps.is_empty()) else {
                        return Err("a loop is expected to have steps = […]".to_owned());
                    };
                    let Repeat(mut repeat) = repeat.unwrap_or_default();
                    repeat.every = every.map(|time| time.0);
                    if repeat.every.is_none()
                        && repeat.times.is_none()
                        && !steps.iter().any(Step::takes_time)
                    {
                        return Err("this loop would spin: it needs every = \"1s\", a pause, a wait, or an emit with ack = true among its steps".to_owned());
                    }
                    Step::Loop(repeat, steps)
                }
            }
        })
    }
}

impl Step {
    /// Whether it gives others a turn, whatever the server does.
    fn takes_time(&self) -> bool {
        match self {
            Self::Pause(from, _) => !from.is_zero(),
            Self::Emit { ack, .. } => *ack == Ack::Wait,
            Self::Wait { .. } | Self::Stay => true,
            Self::Loop(repeat, steps) => {
                repeat.every.is_some() || steps.iter().any(Self::takes_time)
            }
            Self::Connect | Self::Disconnect | Self::Join { .. } => false,
        }
    }
}
