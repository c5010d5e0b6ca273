//! Connections that break at random, many times over: every event arrives, every acknowledgement resolves once.

mod support;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use embassy_futures::join::join;
use embassy_futures::select::select;
use sockeye_embedded::new_with_clock;
use support::exec::{TestClock, block_on, sleep};
use support::net::{Manners, Net, Wire};
use support::peer::Frame;
use support::play::{Log, URL};
use support::{Small, config, storage};

const EVENTS: u32 = 60;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn manners(&mut self) -> Manners {
        Manners {
            read: 1 + self.roll(90) as usize,
            write: 1 + self.roll(90) as usize,
            slow: self.roll(2) == 0,
            window: if self.roll(4) == 0 {
                300 + self.roll(500) as usize
            } else {
                usize::MAX
            },
            // From the middle of the handshake to some events later.
            reset_after: Some(self.roll(700) as usize),
            dead: self.roll(12) == 0,
            ..Manners::GOOD
        }
    }
}

/// Answers every event with its number.
async fn serve(wire: &Wire, seen: &RefCell<Vec<u32>>) {
    wire.join().await;
    loop {
        let Frame::Text(text) = wire.next().await else {
            panic!("a text")
        };
        if text == "3" {
            continue;
        }
        let (id, args) = text[2..].split_once("[\"n\",").expect("an event");
        let n: u32 = args.trim_end_matches(']').parse().expect("a number");
        seen.borrow_mut().push(n);
        wire.text(&format!("43{id}[{n}]"));
    }
}

#[test]
fn retries_bring_everything_over_a_network_that_keeps_breaking() {
    for seed in 0..40 {
        let dice = RefCell::new(Dice(seed));
        let net = Net::new(dice.borrow_mut().manners());
        let seen = RefCell::new(Vec::new());
        let resolved = Cell::new(0);
        let mut config = config(URL);
        config.core.reconnection.delay_max = Duration::from_secs(1);
        config.core.connect_timeout = Some(Duration::from_secs(2));
        config.core.join_timeout = Some(Duration::from_secs(2));
        config.options.ack_timeout = Some(Duration::from_secs(3));
        config.options.retries = Some(1000);
        let (socket, mut runner) =
            new_with_clock(config, storage(Small::new()), TestClock).unwrap();
        block_on(Duration::from_secs(3600), async {
            let weather = async {
                loop {
                    net.set_manners(dice.borrow_mut().manners());
                    sleep(Duration::from_millis(700)).await;
                }
            };
            let server = async {
                for n in 0.. {
                    let wire = net.wire(n).await;
                    select(wire.gone(), serve(&wire, &seen)).await;
                    let cut = (wire.reads_cut.get(), wire.writes_cut.get());
                    assert!(
                        cut.0 <= 1 && cut.1 <= 1,
                        "cancelled on a live connection: {cut:?}"
                    );
                }
            };
            let client = async {
                // Two tasks that emit side by side.
                let task = |first: u32| {
                    let resolved = &resolved;
                    async move {
                        for n in (first..EVENTS).step_by(2) {
                            let answer = socket.emit_with_ack::<_, (u32,)>("n", (n,)).await;
                            assert_eq!(answer, Ok((n,)), "seed {seed}");
                            resolved.set(resolved.get() + 1);
                            sleep(Duration::from_millis(u64::from(n) * 7 % 40)).await;
                        }
                    }
                };
                join(task(0), task(1)).await;
            };
            let server = select(weather, server);
            select(
                select(runner.run(&net, Log::default().handler()), server),
                client,
            )
            .await;
        });
        assert_eq!(resolved.get(), EVENTS, "seed {seed}");
        assert!(net.connections() > 1, "seed {seed}: nothing broke");
        // At least once each, and the first arrivals of each task in its order.
        let seen = seen.into_inner();
        for first in [0, 1] {
            let mut order: Vec<u32> = seen.iter().copied().filter(|n| n % 2 == first).collect();
            order.dedup();
            assert_eq!(
                order,
                (first..EVENTS).step_by(2).collect::<Vec<_>>(),
                "seed {seed}"
            );
        }
    }
}
