//! The page's run comparison: selection, labels and table.

use crate::{
    labelled_run::LabelledRun,
    runs::{MAX_RUNS, Runs},
    table::Table,
};
use highwater::trace::Trace;
use pulldown_cmark_escape::escape_html;
use wasm_bindgen::prelude::*;

/// Number of digest digits shown. The tooltip contains the whole digest.
const SHOWN_DIGITS: usize = 16;

const SECTION: &str = "<h2>Compare runs</h2>
<p>The last run of each experiment with this scenario in each world, up to six. \
    Change a parameter or the world to compare.</p>
<div class=scroll id=runs role=region aria-label='Runs, scrollable' tabindex=0></div>
<p><label>Plot <select id=metric></select></label> \
    <button type=button name=svg data-file=highwater.svg>SVG</button></p>
<div id=plot></div>";

#[wasm_bindgen]
impl Runs {
    /// Adds a run like [`add`](Self::add). First removes runs with the same address and
    /// runs of other scenarios. If six runs are left, removes the oldest.
    ///
    /// `address` is the run's page address, starting with `#`. The label is made from the
    /// settings that differ between the runs.
    ///
    /// # Errors
    ///
    /// Never fails, because a run is removed if there are six.
    pub fn keep(
        &mut self,
        address: String,
        scenario: String,
        world: String,
        pairs: Vec<String>,
        died: Option<String>,
    ) -> Result<usize, JsError> {
        self.0
            .retain(|run| run.trace.scenario == scenario && run.address != address);
        if self.0.len() == MAX_RUNS {
            self.0.remove(0);
        }
        let index = self.add(String::new(), scenario, world, pairs, died)?;
        self.0[index].address = address;
        self.update_labels();
        Ok(index)
    }

    /// Removes a run, updates the labels and decrements the index of all later runs.
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn forget(&mut self, index: usize) -> Result<(), JsError> {
        self.remove(index)?;
        self.update_labels();
        Ok(())
    }

    /// Returns the HTML of the section around the table and the plot.
    pub fn section(&self) -> String {
        SECTION.to_owned()
    }

    /// Returns the table as HTML, with one column per run. A button's name is its
    /// action (`chrome`, `csv` or `forget`), its value the index of the run.
    pub fn html(&self) -> String {
        let scenario = self.0.first().map_or("nothing", |run| &run.trace.scenario);
        let caption = ["<table><caption>Runs of ", &escape(scenario)].concat();
        let mut html = caption + ".</caption><thead><tr><th scope=col>Run</th>";
        for run in &self.0 {
            let address = escape(&run.address);
            let label = escape(&run.label);
            html.extend(["<th scope=col><a href=\"", &address, "\">", &label]);
            html.push_str("</a></th>");
        }
        html.push_str("</tr></thead><tbody>");
        for row in Table::new(&self.0).rows {
            let cells = row.cells.into_iter();
            let cells = cells.map(|cell| cell.map_or("–".to_owned(), |cell| cell.text));
            write_row(&mut html, &row.label, cells);
        }
        let theory = |run: &LabelledRun| escape(run.theory());
        write_row(&mut html, "Theory", self.0.iter().map(theory));
        if self.0.iter().any(|run| run.trace.died.is_some()) {
            let died = |run: &LabelledRun| escape(run.trace.died.as_deref().unwrap_or("–"));
            write_row(&mut html, "Died", self.0.iter().map(died));
        }
        let digest = |run: &LabelledRun| {
            let all = run.digest();
            let shown = &all[..SHOWN_DIGITS];
            ["<code title=", all, ">", shown, "…</code>"].concat()
        };
        write_row(&mut html, "Digest", self.0.iter().map(digest));
        let buttons = self
            .0
            .iter()
            .enumerate()
            .map(|(index, run)| run.buttons(index));
        write_row(&mut html, "Actions", buttons);
        html + "</tbody></table>"
    }

    /// Returns the available metrics as HTML options, with `chosen` selected.
    pub fn options(&self, chosen: &str) -> String {
        let mut html = String::new();
        for metric in self.available_metrics() {
            let (name, label) = (metric.name(), metric.label());
            let selected = if name == chosen { " selected" } else { "" };
            html.extend(["<option value=", name, selected, ">", label, "</option>"]);
        }
        html
    }
}

impl Runs {
    /// Labels each run by the settings that differ between the runs, and by its world.
    fn update_labels(&mut self) {
        let labels: Vec<String> = self.0.iter().map(|run| self.label(&run.trace)).collect();
        for (run, label) in self.0.iter_mut().zip(labels) {
            run.label = label;
        }
    }

    fn label(&self, trace: &Trace) -> String {
        let traces = || self.0.iter().map(|run| &run.trace);
        let mut label = String::new();
        for (key, value) in &trace.params {
            if traces().any(|other| other.param(key) != value) {
                label.extend([key, "=", value, ", "]);
            }
        }
        if traces().any(|other| other.seed != trace.seed) {
            label.extend(["seed=", &trace.seed.to_string(), ", "]);
        }
        label
            + match trace.world.as_str() {
                "virtual" => "Simulation",
                "tab" => "This tab",
                _ => "Native",
            }
    }
}

impl LabelledRun {
    fn buttons(&self, index: usize) -> String {
        let Trace {
            scenario, world, ..
        } = &self.trace;
        let mut html = String::new();
        for (name, text, file) in [
            ("chrome", "Chrome trace", "json"),
            ("csv", "CSV", "csv"),
            ("forget", "Remove", ""),
        ] {
            let label = escape(&self.label);
            html.extend(["<button type=button name=", name, " value="]);
            html.extend([&index.to_string(), " aria-label=\"", text, ": ", &label]);
            html.extend(["\" data-file=\"", scenario, "-", world, ".", file, "\">"]);
            html.extend([text, "</button> "]);
        }
        html
    }
}

fn write_row(html: &mut String, label: &str, cells: impl Iterator<Item = String>) {
    html.extend(["<tr><th scope=row>", label, "</th>"]);
    for cell in cells {
        html.extend(["<td>", &cell, "</td>"]);
    }
    html.push_str("</tr>");
}

/// Escapes text for HTML content and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = escape_html(&mut html, text);
    html
}
