//! What is seen of it while it happens: a live picture on a terminal, a line now and then elsewhere.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use ring_contracts::Charter;
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::stage::RING;
use crate::{Client, Deployment, Progress, backend::Figures, deployment::RingNow, token};

const LOOK: Duration = Duration::from_millis(400);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(4);
const SEAT_ANSWERS: Duration = Duration::from_millis(1_500);

/// Where things are said and shown. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    start: Instant,
    bars: Option<MultiProgress>,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The ring's contract.
    pub deployment: Deployment,
    /// The relayers, as they are at the time.
    pub relayers: watch::Receiver<Vec<Client>>,
    /// The ring's charter, as it is at the time.
    pub charter: watch::Receiver<Charter>,
    /// The backend's progress.
    pub progress: Arc<Progress>,
}

/// One moment.
#[derive(Clone, Debug)]
struct Scene {
    ring: RingNow,
    charter: Charter,
    left_of_cap: u128,
    figures: Figures,
    seats: Vec<Light>,
}

/// A seat's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Light {
    Works,
    Starting,
    Halted,
    Gone,
}

impl View {
    /// A view on standard output: alive if that is a terminal.
    pub fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let bars = is_terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(8)));
        Self { start: Instant::now(), bars }
    }

    /// How long it has been there.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Tells what has just happened.
    pub fn say(&self, text: impl Display) {
        self.print(&format!("{:>4} s  {text}", self.elapsed().as_secs()));
    }

    /// Tells what should not be missed.
    pub fn alarm(&self, text: impl Display) {
        match self.bars {
            Some(_) => self.say(format!("\x1b[1;31m{text}\x1b[0m")),
            None => self.say(format!("!! {text}")),
        }
    }

    fn print(&self, text: &str) {
        // Whoever closed standard output does not want to know.
        let _ = match &self.bars {
            Some(bars) => bars.println(text),
            None => writeln!(std::io::stdout(), "{text}"),
        };
    }

    /// Shows a ring until the handle is dropped.
    pub fn follow(&self, subject: Subject) -> AbortOnDropHandle<()> {
        let view = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut picture = view.bars.as_ref().map(Picture::new);
            let mut printed: Option<Instant> = None;
            loop {
                if let Some(scene) = subject.look().await {
                    match &mut picture {
                        Some(picture) => picture.draw(&scene),
                        None if printed.is_none_or(|last| last.elapsed() >= LINE) => {
                            printed = Some(Instant::now());
                            view.say(scene.in_a_line());
                        }
                        None => {}
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        }))
    }
}

impl Default for View {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject {
    /// `None`: the chain did not answer, so there is nothing new to see.
    async fn look(&self) -> Option<Scene> {
        let clients = self.relayers.borrow().clone();
        let charter = self.charter.borrow().clone();
        let lights = join_all(clients.iter().map(light));
        let (ring, time, seats) = tokio::join!(self.deployment.ring(RING), self.deployment.time(), lights);
        let (ring, time) = (ring.ok()?, time.ok()?);
        let left_of_cap = ring.left_of_cap(&charter, time);
        Some(Scene { ring, charter, left_of_cap, figures: self.progress.figures(), seats })
    }
}

async fn light(client: &Client) -> Light {
    match timeout(SEAT_ANSWERS, client.health()).await {
        Ok(Ok(health)) if health.halted.is_some() => Light::Halted,
        Ok(Ok(health)) if health.ready => Light::Works,
        Ok(Ok(_)) => Light::Starting,
        Ok(Err(_)) | Err(_) => Light::Gone,
    }
}

impl Scene {
    fn in_a_line(&self) -> String {
        let Self { ring, figures, left_of_cap, seats, .. } = self;
        let state = if ring.halted { ", HALTED" } else { "" };
        let halted = seats.iter().filter(|light| **light == Light::Halted).count();
        let working = seats.iter().filter(|light| **light == Light::Works).count();
        format!(
            "turn {} {} · epoch {}{state} · {}/{} paid, {} DEMO · {} left of the cap · {working} seats work, {halted} halted",
            ring.nonce,
            self.ring_in_brackets(),
            ring.epoch,
            figures.executed,
            figures.orders,
            token::in_words(figures.amount),
            token::in_words(*left_of_cap),
        )
    }

    /// `0 [1 2] 3`: the window in brackets, the lead first in it. Around the end of the ring: `0] 1 2 [3`.
    fn ring_in_brackets(&self) -> String {
        let window: Vec<usize> = self.charter.window_of(self.ring.nonce).collect();
        let seat = |seat: usize| {
            let open = if window.first() == Some(&seat) { "[" } else { "" };
            let close = if window.last() == Some(&seat) { "]" } else { "" };
            format!("{open}{seat}{close}")
        };
        (0..self.charter.seats.len()).map(seat).collect::<Vec<_>>().join(" ")
    }

    /// The ring with the window bold, and each seat's health as colour.
    fn ring_in_colour(&self) -> String {
        let window: Vec<usize> = self.charter.window_of(self.ring.nonce).collect();
        let seat = |seat: usize| {
            let colour = match self.seats.get(seat) {
                Some(Light::Works) => "32",
                Some(Light::Halted) => "31",
                Some(Light::Starting) => "33",
                Some(Light::Gone) | None => "90",
            };
            match window.iter().position(|other| *other == seat) {
                Some(0) => format!("\x1b[1;{colour}m❰{seat}❱\x1b[0m"),
                Some(_) => format!("\x1b[1;{colour}m[{seat}]\x1b[0m"),
                None => format!("\x1b[{colour}m {seat} \x1b[0m"),
            }
        };
        (0..self.charter.seats.len()).map(seat).collect::<Vec<_>>().join("─")
    }
}

/// The picture on a terminal.
#[derive(Debug)]
struct Picture {
    ring: ProgressBar,
    seats: ProgressBar,
    orders: ProgressBar,
    cap: ProgressBar,
}

impl Picture {
    fn new(bars: &MultiProgress) -> Self {
        let line = |template: &str| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bars.add(ProgressBar::new(0).with_style(style.progress_chars("█▌░")))
        };
        Self {
            ring: line("  ring    {msg}"),
            seats: line("  seats   {msg}"),
            orders: line("  orders  {bar:40.green} {msg}"),
            cap: line("  cap     {bar:40.yellow} {msg}"),
        }
    }

    fn draw(&mut self, scene: &Scene) {
        let Scene { ring, charter, left_of_cap, figures, seats } = scene;
        let state = if ring.halted { "\x1b[1;31mHALTED\x1b[0m" } else { "" };
        let picture = scene.ring_in_colour();
        self.ring.set_message(format!("╭─{picture}─╮  turn {}, epoch {} {state}", ring.nonce, ring.epoch));
        let word = |light: &Light| match light {
            Light::Works => "works",
            Light::Starting => "starts",
            Light::Halted => "HALTED",
            Light::Gone => "gone",
        };
        let words = seats.iter().enumerate().map(|(seat, light)| format!("{seat} {}", word(light)));
        self.seats.set_message(words.collect::<Vec<_>>().join("  "));
        self.orders.set_length(figures.orders as u64);
        self.orders.set_position(figures.executed as u64);
        self.orders.set_message(format!(
            "{}/{} paid, {} DEMO{}",
            figures.executed,
            figures.orders,
            token::in_words(figures.amount),
            match figures.refused_by_halt {
                0 => String::new(),
                refused => format!(", refused {refused}× by halted relayers"),
            }
        ));
        // Whole tokens: the bar counts in 64 bits.
        self.cap.set_length(u64::try_from(charter.cap / token::ONE).unwrap_or(u64::MAX));
        self.cap.set_position(u64::try_from(left_of_cap / token::ONE).unwrap_or(u64::MAX));
        self.cap.set_message(format!("{} of {} left", token::in_words(*left_of_cap), token::in_words(charter.cap)));
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        for bar in [&self.ring, &self.seats, &self.orders, &self.cap] {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    fn scene(nonce: u64) -> Scene {
        let seats = (1..=4).map(Address::with_last_byte).collect();
        let charter = Charter {
            window: 2,
            quorum: 2,
            asset: Address::ZERO,
            cap: 1,
            period: 86_400,
            turns_per_period: 1,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats,
        };
        let ring = RingNow { nonce, epoch: 1, halted: false, charter: charter.commitment(), spent: 0, period_index: 0 };
        Scene { ring, charter, left_of_cap: 0, figures: Figures::default(), seats: vec![Light::Works; 4] }
    }

    #[test]
    fn the_window_stands_in_brackets_also_around_the_end() {
        assert_eq!(scene(0).ring_in_brackets(), "[0 1] 2 3");
        assert_eq!(scene(6).ring_in_brackets(), "0 1 [2 3]");
        assert_eq!(scene(7).ring_in_brackets(), "0] 1 2 [3");
        assert!(scene(7).in_a_line().contains("turn 7 0] 1 2 [3"));
    }
}
