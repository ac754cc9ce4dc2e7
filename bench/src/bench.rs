//! What all measures are given, and what they give back.

use std::path::PathBuf;

use clap::ValueEnum;
use eyre::Result;
use ring_anvil::Programs;

use crate::{figure::Figure, measure, show::Show};

/// What all measures are given.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// The programs that are run.
    pub(crate) programs: Programs,
    /// Where they write.
    pub(crate) folder: PathBuf,
    /// How many runs make a figure.
    pub(crate) runs: usize,
    /// Where progress is shown.
    pub(crate) show: Show,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// One order on an idle ring
    IdleOrder,
    /// Many orders at once: accepted and paid per second, with a lost transaction too
    Throughput,
    /// When the API says what a block did
    Events,
    /// Turn time with many orders waiting
    Backlog,
    /// Turn time with many seats, and with many of them in the window
    Seats,
    /// Memory and start of a relayer with a million orders behind it
    History,
    /// From an unknown turn to the halt of the ring on chain
    Halt,
}

/// What a measure gives back: a part of the document.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Its title.
    pub(crate) title: &'static str,
    /// How its figures are measured, in paragraphs.
    pub(crate) how: Vec<String>,
    /// The figures.
    pub(crate) figures: Vec<Figure>,
}

impl Measure {
    /// All of them, in the order in which they are measured.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Measures.
    ///
    /// # Errors
    /// The measurement itself fails: a process ends, an order is lost, nothing happens for long.
    pub(crate) async fn measure(self, bench: &Bench) -> Result<Vec<Section>> {
        match self {
            Self::IdleOrder => measure::idle_order::measure(bench).await,
            Self::Throughput => measure::throughput::measure(bench).await,
            Self::Events => measure::events::measure(bench).await,
            Self::Backlog => measure::backlog::measure(bench).await,
            Self::Seats => measure::seats::measure(bench).await,
            Self::History => measure::history::measure(bench).await,
            Self::Halt => measure::halt::measure(bench).await,
        }
    }
}
