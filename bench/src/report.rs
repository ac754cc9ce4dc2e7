//! What came out: a document for people, figures for machines, a table for the terminal.

use std::{fmt::Write as _, fs, path::Path};

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::{Result, WrapErr};
use serde::Serialize;

use crate::{
    bench::Section,
    figure::{Bound, Figure, Verdict, number},
    machine::Machine,
};

/// All that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// On which machine.
    pub(crate) machine: Machine,
    /// How many runs make a figure.
    pub(crate) runs: usize,
    /// How long all of it took, in seconds.
    pub(crate) seconds: u64,
    /// The figures.
    pub(crate) sections: Vec<Section>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    machine: &'a Machine,
    seconds: u64,
    figures: Vec<JsonFigure<'a>>,
    /// The names of the musts that are not met.
    misses: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFigure<'a> {
    section: &'a str,
    name: &'a str,
    unit: &'a str,
    median: f64,
    min: f64,
    max: f64,
    runs: &'a [f64],
    must: Option<Bound>,
    aim: Option<Bound>,
    /// Whether the must is met; `null` where there is none.
    met: Option<bool>,
    /// Whether the aim is met.
    aim_met: Option<bool>,
}

impl Report {
    /// The figures whose must is not met.
    pub(crate) fn misses(&self) -> Vec<&Figure> {
        self.figures().filter(|figure| figure.verdict() == Verdict::Missed).collect()
    }

    fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.sections.iter().flat_map(|section| &section.figures)
    }

    /// Writes the figures as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write_json(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.json()).wrap_err("the figures cannot be put down")?;
        write(file, &format!("{text}\n"))
    }

    fn json(&self) -> Json<'_> {
        Json {
            machine: &self.machine,
            seconds: self.seconds,
            figures: self
                .sections
                .iter()
                .flat_map(|section| section.figures.iter().map(|figure| json_figure(section.title, figure)))
                .collect(),
            misses: self.misses().into_iter().map(|figure| figure.name.as_str()).collect(),
        }
    }

    /// Writes the document.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write_document(&self, file: &Path) -> Result<()> {
        write(file, &self.document())
    }

    fn document(&self) -> String {
        let Machine { cores, processor, memory_gb, kernel, sync_ms, anvil } = &self.machine;
        let mut text = format!(
            "# Benchmark\n\n\
             Written by `make bench`, which measures everything side by side on one machine in one run. If nothing else is\n\
             said: a ring of 3 relayers with a window and a quorum of 2, one process each and built for release; one Anvil;\n\
             every order synced to the disks of 2 seats before it is accepted. Relayers, chain and what measures them share\n\
             the processors.\n\n\
             Each figure is the median of {} runs of equal length after one that is not counted, with the range of the runs.\n\
             Ratios are of the same run: they say more than times, which another machine changes. *must* is what a figure has\n\
             to be, *aim* what it is wished to be.\n\n\
             | Machine | |\n|---|---|\n\
             | processors | {cores} × {processor} |\n| memory | {} GB |\n| kernel | {kernel} |\n\
             | writing 4 KiB and syncing, median | {} ms |\n| chain | {anvil} |\n| all of it took | {} s |\n",
            self.runs,
            number(*memory_gb),
            number(*sync_ms),
            number(self.seconds as f64),
        );
        let misses = self.misses();
        let verdict = match misses.len() {
            0 => "Every must is met.".to_owned(),
            1 => "One must is missed: ".to_owned(),
            count => format!("{count} musts are missed: "),
        };
        let names: Vec<&str> = misses.iter().map(|figure| figure.name.as_str()).collect();
        let end = if names.is_empty() { "" } else { "." };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{verdict}{}{end}\n", names.join("; "));
        for Section { title, how, figures } in &self.sections {
            let _ = write!(
                text,
                "\n## {title}\n\n{}\n\n",
                how.iter().map(|how| wrapped(how)).collect::<Vec<_>>().join("\n\n")
            );
            text.push_str("| figure | median | range | unit | must | aim | |\n|---|---:|---:|---|---:|---:|---|\n");
            for figure in figures {
                let _ = writeln!(text, "| {} |", row(figure).join(" | "));
            }
        }
        text
    }

    /// All figures in a table.
    pub(crate) fn in_words(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["figure", "median", "range", "unit", "must", "aim", ""]);
        for figure in self.figures() {
            table.add_row(row(figure));
        }
        table.to_string()
    }
}

fn json_figure<'a>(section: &'a str, figure: &'a Figure) -> JsonFigure<'a> {
    let verdict = figure.verdict();
    let has_goal = verdict != Verdict::Shown;
    JsonFigure {
        section,
        name: &figure.name,
        unit: figure.unit,
        median: figure.median(),
        min: figure.min(),
        max: figure.max(),
        runs: &figure.runs,
        must: figure.goal.map(|goal| goal.must),
        aim: figure.goal.map(|goal| goal.aim),
        met: has_goal.then_some(verdict != Verdict::Missed),
        aim_met: has_goal.then_some(verdict == Verdict::AimMet),
    }
}

fn row(figure: &Figure) -> [String; 7] {
    let bound = |bound: fn(&crate::figure::Goal) -> Bound| {
        figure.goal.as_ref().map_or_else(String::new, |goal| bound(goal).in_words())
    };
    let verdict = match figure.verdict() {
        Verdict::Shown => "",
        Verdict::Missed => "MISSED",
        Verdict::Met => "met",
        Verdict::AimMet => "aim met",
    };
    let range = match figure.runs.len() {
        1 => "one run".to_owned(),
        _ => format!("{} – {}", number(figure.min()), number(figure.max())),
    };
    [
        figure.name.clone(),
        number(figure.median()),
        range,
        figure.unit.to_owned(),
        bound(|goal| goal.must),
        bound(|goal| goal.aim),
        verdict.to_owned(),
    ]
}

/// A paragraph in lines of at most 120 characters.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut length = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > 120 {
            text.push('\n');
            length = 0;
        } else if length > 0 {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += width;
    }
    text
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).wrap_err_with(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Goal;

    fn report() -> Report {
        let machine = Machine {
            cores: 2,
            processor: "P".into(),
            memory_gb: 8.0,
            kernel: "6".into(),
            sync_ms: 0.5,
            anvil: "anvil 1".into(),
        };
        let figures = vec![
            Figure::new("slow", "ms", vec![30.0, 10.0, 50.0], Goal::at_most(20.0, 5.0)),
            Figure::new("quick", "/s", vec![9.0], Goal::at_least(1.0, 3.0)),
            Figure::shown("seen", "MB", vec![7.0, 8.0]),
        ];
        let how = vec!["so ".repeat(100)];
        Report { machine, runs: 3, seconds: 60, sections: vec![Section { title: "Things", how, figures }] }
    }

    #[test]
    fn what_misses_its_must_is_listed_and_nothing_else() {
        let json = serde_json::to_value(report().json()).unwrap();
        assert_eq!(json["misses"], serde_json::json!(["slow"]));
        assert_eq!(json["figures"][0]["median"], 30.0);
        assert_eq!(json["figures"][0]["min"], 10.0);
        assert_eq!(json["figures"][0]["max"], 50.0);
        assert_eq!(json["figures"][0]["must"], serde_json::json!({ "atMost": 20.0 }));
        assert_eq!(json["figures"][0]["met"], false);
        assert_eq!(json["figures"][1]["met"], true);
        assert_eq!(json["figures"][1]["aimMet"], true);
        assert_eq!(json["figures"][2]["met"], serde_json::Value::Null);
    }

    #[test]
    fn the_document_has_a_row_for_each_figure_in_lines_that_can_be_read() {
        let text = report().document();
        assert!(text.contains("| slow | 30 | 10 – 50 | ms | ≤ 20 | ≤ 5 | MISSED |"), "{text}");
        assert!(text.contains("| quick | 9 | one run | /s | ≥ 1 | ≥ 3 | aim met |"), "{text}");
        assert!(text.contains("One must is missed: slow."), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}
