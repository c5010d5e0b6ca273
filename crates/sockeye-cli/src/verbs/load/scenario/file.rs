//! Scenario files: TOML or JSON, read with the places of mistakes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::template::{json_error, place};
use super::step::Step;
use super::words::{Auth, Pointer, Weight};
use super::{Emit, Heard, Op, Place, Program};

/// A whole file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    #[serde(default = "one")]
    weight: Weight,
    #[serde(default)]
    listen: Vec<String>,
    sent_at: Option<Pointer>,
    auth: Option<Auth>,
    steps: Vec<Step>,
}

const fn one() -> Weight {
    Weight(1)
}

/// Reads a file: scenarios with their weights.
///
/// # Errors
/// Line, column, and what was expected.
pub(super) fn read(
    text: &str,
    json: bool,
    timeout: Duration,
) -> Result<Vec<(u32, Program)>, String> {
    let file: File = if json {
        serde_json::from_str(text).map_err(|error| {
            let why = json_error(&error);
            let why = why.split(" at line ").next().unwrap_or_default();
            let why = why.split(" at character ").next().unwrap_or_default();
            format!("line {}, column {}: {why}", error.line(), error.column())
        })?
    } else {
        toml::from_str(text).map_err(|error| {
            let why = error.message().replace('\n', "; ");
            match error.span() {
                Some(span) => format!("{}: {why}", place(text, span.start)),
                None => why,
            }
        })?
    };
    if file.scenario.is_empty() {
        return Err("at least one [[scenario]] is expected".to_owned());
    }
    let mut programs = Vec::new();
    for scenario in file.scenario {
        let name = scenario.name.clone();
        let weight = scenario.weight.0;
        let program =
            program(scenario, timeout).map_err(|why| format!("scenario {name}: {why}"))?;
        programs.push((weight, program));
    }
    Ok(programs)
}

/// Puts a program together.
fn program(scenario: Scenario, timeout: Duration) -> Result<Program, String> {
    let mut builder = Builder {
        places: vec![Place {
            name: String::new(),
            auth: scenario.auth.map(|auth| auth.0),
            heard: Vec::new(),
        }],
        ops: Vec::new(),
        timeout,
        sent_at: BTreeMap::new(),
    };
    // A client that begins with something else connects first.
    let mut steps = scenario.steps;
    if !matches!(steps.first(), Some(Step::Connect)) {
        steps.insert(0, Step::Connect);
    }
    builder.steps(steps)?;
    for event in scenario.listen {
        let sent_at = scenario.sent_at.as_ref().map(|pointer| pointer.0.clone());
        let sent_at = sent_at.or_else(|| builder.sent_at.values().next().cloned());
        for place in &mut builder.places {
            match place.heard.iter_mut().find(|heard| heard.event == event) {
                Some(heard) => {
                    heard.counted = true;
                    heard.sent_at.clone_from(&sent_at);
                }
                None => place.heard.push(Heard {
                    event: event.clone(),
                    counted: true,
                    sent_at: sent_at.clone(),
                }),
            }
        }
    }
    Ok(Program {
        name: scenario.name,
        ops: builder.ops,
        namespaces: builder.places,
    })
}

struct Builder {
    places: Vec<Place>,
    ops: Vec<Op>,
    timeout: Duration,
    /// Where events that are sent have their time, by the order of their steps.
    sent_at: BTreeMap<usize, String>,
}

impl Builder {
    fn steps(&mut self, steps: Vec<Step>) -> Result<(), String> {
        for step in steps {
            let op = match step {
                Step::Connect => Op::Connect,
                Step::Disconnect => Op::Disconnect,
                Step::Stay => Op::Stay,
                Step::Pause(from, to) => Op::Pause(from, to),
                Step::Join { namespace, auth } => {
                    let known = self.places.iter().position(|place| place.name == namespace);
                    let place = known.unwrap_or_else(|| {
                        self.places.push(Place {
                            name: namespace,
                            auth: None,
                            heard: Vec::new(),
                        });
                        self.places.len() - 1
                    });
                    if auth.is_some() {
                        self.places[place].auth = auth;
                    }
                    Op::Join(place)
                }
                Step::Emit {
                    namespace,
                    event,
                    args,
                    ack,
                    timeout,
                } => {
                    if let Some(sent_at) = args.sent_at() {
                        self.sent_at.insert(self.ops.len(), sent_at.to_owned());
                    }
                    let place = self.place(namespace)?;
                    let timeout = timeout.unwrap_or(self.timeout);
                    Op::Emit(Emit {
                        place,
                        event,
                        args,
                        ack,
                        timeout,
                    })
                }
                Step::Wait {
                    namespace,
                    event,
                    timeout,
                } => {
                    let place = self.place(namespace)?;
                    let heard = &mut self.places[place].heard;
                    let known = heard.iter().position(|heard| heard.event == event);
                    let heard = known.unwrap_or_else(|| {
                        heard.push(Heard {
                            event,
                            counted: false,
                            sent_at: None,
                        });
                        heard.len() - 1
                    });
                    Op::Wait {
                        place,
                        heard,
                        timeout: timeout.unwrap_or(self.timeout),
                    }
                }
                Step::Loop(repeat, steps) => {
                    let begin = self.ops.len();
                    self.ops.push(Op::LoopBegin(repeat));
                    self.steps(steps)?;
                    Op::LoopEnd(begin)
                }
            };
            self.ops.push(op);
        }
        Ok(())
    }

    fn place(&self, namespace: Option<String>) -> Result<usize, String> {
        let Some(namespace) = namespace else {
            return Ok(0);
        };
        let known = self.places.iter().position(|place| place.name == namespace);
        known.ok_or_else(|| {
            format!("{namespace} is used before a step {{ join = \"{namespace}\" }}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ack;
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn toml(text: &str) -> Result<Vec<(u32, Program)>, String> {
        read(text, false, TIMEOUT)
    }

    #[test]
    fn the_example_is_right() {
        let programs = toml(super::super::EXAMPLE).unwrap();
        assert_eq!(programs.len(), 2);
        let (weight, talker) = &programs[0];
        assert_eq!((*weight, talker.name.as_str()), (3, "talker"));
        assert_eq!(
            talker.namespaces[0].heard[0].sent_at.as_deref(),
            Some("/0/at")
        );
        assert!(matches!(
            talker.ops[..3],
            [Op::Connect, Op::Pause(..), Op::LoopBegin(_)]
        ));
        let (_, device) = &programs[1];
        assert_eq!(device.namespaces[1].name, "/devices");
    }

    #[test]
    fn json_says_the_same() {
        let text = r#"{"scenario": [{"name": "a", "steps": [
            {"emit": "x", "args": "[{{n}}]", "ack": "later", "timeout": "1s"},
            {"emit": "x", "args": ["{{n}}", 1.5]},
            {"wait": "x"}, {"pause": ["1s", "2s"]},
            {"loop": 3, "every": "1s", "steps": [{"disconnect": true}, {"connect": true}]}]}]}"#;
        let programs = read(text, true, TIMEOUT).unwrap();
        let ops = &programs[0].1.ops;
        assert_eq!(ops.len(), 9, "{ops:?}");
        assert!(matches!(ops[8], Op::LoopEnd(5)));
        assert!(
            matches!(&ops[1], Op::Emit(Emit { ack: Ack::Later, timeout, .. }) if *timeout == Duration::from_secs(1))
        );
    }

    #[test]
    fn mistakes_have_line_and_column_and_say_what_is_expected() {
        let scenario = |step: &str| {
            format!(
                "[[scenario]]\nname = \"a\"\nsteps = [\n  {{ connect = true }},\n  {step},\n]\n"
            )
        };
        for (step, place, part) in [
            (
                "{ emmit = \"x\" }",
                "line 5, column 5",
                "unknown field `emmit`, expected one of",
            ),
            (
                "{ emit = 1 }",
                "line 5, column 12",
                "expected the name of an event",
            ),
            ("{ emit = \"connect\" }", "line 5, column 12", "reserved"),
            (
                "{ pause = \"5\" }",
                "line 5, column 13",
                "write a time as 5s",
            ),
            (
                "{ pause = [\"2s\", \"1s\"] }",
                "line 5, column 13",
                "the shorter time",
            ),
            ("{ pause = [\"2s\"] }", "line 5, column 13", "two times"),
            (
                "{ loop = 0, steps = [{ stay = true }] }",
                "line 5, column 12",
                "at least 1",
            ),
            (
                "{ loop = \"often\", steps = [{ stay = true }] }",
                "line 5, column 12",
                "\"forever\"",
            ),
            ("{ loop = 2 }", "line 5, column 3", "steps = "),
            (
                "{ loop = \"forever\", steps = [{ emit = \"x\" }] }",
                "line 5, column 3",
                "would spin",
            ),
            (
                "{ emit = \"x\", pause = \"1s\" }",
                "line 5, column 3",
                "emit and pause are two steps",
            ),
            (
                "{ timeout = \"1s\" }",
                "line 5, column 3",
                "one of connect, join",
            ),
            (
                "{ pause = \"1s\", ack = true }",
                "line 5, column 3",
                "ack belongs to emit, not to pause",
            ),
            (
                "{ emit = \"x\", timeout = \"1s\" }",
                "line 5, column 3",
                "ack = true",
            ),
            (
                "{ emit = \"x\", ack = \"soon\" }",
                "line 5, column 23",
                "\"later\"",
            ),
            (
                "{ emit = \"x\", args = '[{{q}}]' }",
                "line 5, column 24",
                "line 1, column 2: {{q}} is no placeholder",
            ),
            (
                "{ join = \"chat\" }",
                "line 5, column 12",
                "starts with a slash",
            ),
            (
                "{ stay = false }",
                "line 5, column 12",
                "leave the step out",
            ),
            ("{ emit = \"x\" ", "line 6, column 1", "expected key"),
        ] {
            let error = toml(&scenario(step)).map(drop).unwrap_err();
            assert!(
                error.starts_with(place) && error.contains(part),
                "{step}: {error}"
            );
        }
        for (text, part) in [
            ("", "missing field `scenario`"),
            ("scenario = []", "at least one"),
            ("[[scenario]]\nname = \"a\"", "missing field `steps`"),
            (
                "[[scenario]]\nname = \"a\"\nweight = 0\nsteps = []",
                "line 3, column 10: invalid value: integer `0`, expected a whole number",
            ),
            (
                "[[scenario]]\nname = \"a\"\nsteps = [{ emit = \"x\", namespace = \"/b\" }]",
                "scenario a: /b is used before",
            ),
        ] {
            let error = toml(text).map(drop).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = read("{\"scenario\": [\n  {\"name\": 7}]}", true, TIMEOUT)
            .map(drop)
            .unwrap_err();
        assert!(
            error.starts_with("line 2, column 12: ") && error.contains("expected a string"),
            "{error}"
        );
    }
}
