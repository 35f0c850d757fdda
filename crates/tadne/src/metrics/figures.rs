//! What `tadne metrics` found: a table on the terminal, JSON, or a page.

use features::metrics::Missing;
use features::{Distances, Memorisation};
use serde::Serialize;

use crate::report::{Line, Page, Spot};

/// All figures of a run, as `--json` writes them.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Fingerprint of the model.
    pub(super) model: String,
    /// Name of the feature network.
    pub(super) network: String,
    /// Hash of the feature network.
    pub(super) hash: String,
    /// Pictures of each kind.
    pub(super) samples: usize,
    /// What everything is compared with: `training` or `held-out`.
    pub(super) reference: &'static str,
    pub(super) rows: Vec<Row>,
    /// Share of the training pictures in each kind.
    pub(super) kinds: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memorisation: Option<Memorisation>,
}

/// Figures of one set of pictures.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) of: String,
    /// The truncation, where the model drew them.
    #[serde(skip)]
    pub(super) psi: Option<f64>,
    pub(super) distances: Distances,
    pub(super) kinds: Missing,
}

impl Row {
    /// The head of the table on the terminal.
    pub(super) fn head() -> String {
        format!(
            "{:<12}{:>9}{:>12}{:>11}{:>9}{:>9}{:>10}{:>8}{:>9}",
            "", "FD", "KD x 1000", "precision", "recall", "density", "coverage", "KL", "starved"
        )
    }

    /// A line of it.
    pub(super) fn line(&self) -> String {
        let (d, c, missing) = (&self.distances, &self.distances.coverage, &self.kinds);
        format!(
            "{:<12}{:>9.2}{:>12.3}{:>11.3}{:>9.3}{:>9.3}{:>10.3}{:>8.3}{:>9}",
            self.of,
            d.fd,
            d.kd * 1e3,
            c.precision,
            c.recall,
            c.density,
            c.coverage,
            missing.divergence,
            missing.starved
        )
    }

    fn cells(&self) -> Vec<String> {
        let (d, c, missing) = (&self.distances, &self.distances.coverage, &self.kinds);
        let shares = [c.precision, c.recall, c.density, c.coverage, missing.divergence].map(|v| format!("{v:.3}"));
        [self.of.clone(), format!("{:.2}", d.fd), format!("{:.3}", d.kd * 1e3)]
            .into_iter()
            .chain(shares)
            .chain([missing.starved.to_string()])
            .collect()
    }
}

impl Figures {
    pub(super) fn page(&self) -> Page {
        let mut page = Page::new("How far a model's pictures are from real ones");
        let reference = if self.reference == "training" { "training pictures" } else { "held-out pictures" };
        page.paragraph(&format!(
            "Model {}, compared with {reference} by the features of {} ({}); {} pictures of each kind.",
            self.model, self.network, self.hash, self.samples
        ));
        page.paragraph(
            "Rows without a psi are real pictures, as they are and corrupted: no figure of a model means anything without them. Figures of \
             different networks, sample counts or references cannot be compared.",
        );
        let head = ["", "FD", "KD x 1000", "precision", "recall", "density", "coverage", "KL", "starved"];
        page.table(&head, &self.rows.iter().map(Row::cells).collect::<Vec<_>>());
        page.heading("Distance");
        page.bars("Kernel distance x 1000: shorter is nearer", &self.each(|row| row.distances.kd * 1e3));
        page.bars("Fréchet distance: shorter is nearer", &self.each(|row| row.distances.fd));
        self.over_psi(&mut page);
        self.variety(&mut page);
        if let Some(m) = &self.memorisation {
            page.heading("Memory");
            page.bars(
                "Median distance to the nearest training picture",
                &[("drawn".into(), m.drawn), ("held out".into(), m.held_out)],
            );
            let [nearer, chance] = [m.nearer_than_one_percent, m.by_chance].map(|share| share * 100.0);
            page.paragraph(&format!(
                "{nearer:.1} % of the drawn pictures are nearer to a training picture than the nearest 1 % of the held-out ones; \
                 {chance:.1} % would be chance.",
            ));
        }
        page
    }

    fn each(&self, value: fn(&Row) -> f64) -> Vec<(String, f64)> {
        self.rows.iter().map(|row| (row.of.clone(), value(row))).collect()
    }

    /// How figures go with the truncation, where there are several.
    fn over_psi(&self, page: &mut Page) {
        let mut drawn: Vec<_> = self.rows.iter().filter_map(|row| Some((row.psi?, row))).collect();
        if drawn.len() < 2 {
            return;
        }
        drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
        let line = |name: &str, value: fn(&Row) -> f64| Line {
            name: name.into(),
            points: drawn.iter().map(|(psi, row)| (*psi, value(row))).collect(),
        };
        page.heading("Truncation");
        page.lines("Kernel distance x 1000 by psi", ["psi", "KD x 1000"], &[line("KD", |row| row.distances.kd * 1e3)]);
        let shares = [
            line("precision", |row| row.distances.coverage.precision),
            line("recall", |row| row.distances.coverage.recall),
            line("coverage", |row| row.distances.coverage.coverage),
        ];
        page.lines("Quality and variety by psi", ["psi", "share"], &shares);
    }

    fn variety(&self, page: &mut Page) {
        page.heading("Quality and variety");
        let spot = |row: &Row| {
            let c = &row.distances.coverage;
            Spot { name: row.of.clone(), x: c.recall, y: c.precision }
        };
        page.spots(
            "Precision: how many look real; recall: how much of what is real is drawn",
            ["recall", "precision"],
            &self.rows.iter().map(spot).collect::<Vec<_>>(),
        );
        let mut order: Vec<_> = (0..self.kinds.len()).collect();
        order.sort_by(|&a, &b| self.kinds[b].total_cmp(&self.kinds[a]));
        let line = |name: &str, shares: &[f64]| Line {
            name: name.into(),
            points: order.iter().enumerate().map(|(place, &kind)| (place as f64 + 1.0, shares[kind] * 100.0)).collect(),
        };
        let mut lines = vec![line("training", &self.kinds)];
        lines.extend(self.rows.iter().rfind(|row| row.psi.is_some()).map(|row| line(&row.of, &row.kinds.shares)));
        page.lines("Share of each kind of picture, the most frequent first", ["kind", "% of the pictures"], &lines);
    }
}

#[cfg(test)]
mod tests {
    use features::metrics::Prdc;

    use super::*;

    fn row(of: &str, psi: Option<f64>, kd: f64) -> Row {
        let coverage = Prdc { precision: 0.5, recall: 0.25, density: 0.75, coverage: 0.375 };
        let kinds = Missing { divergence: 0.1, starved: 1, shares: vec![0.75, 0.25] };
        Row { of: of.into(), psi, distances: Distances { fd: 12.0, kd, coverage }, kinds }
    }

    fn figures(rows: Vec<Row>) -> Figures {
        Figures {
            model: "0123456789abcdef".into(),
            network: "a <network>".into(),
            hash: "ff".into(),
            samples: 100,
            reference: "training",
            rows,
            kinds: vec![0.25, 0.75],
            memorisation: None,
        }
    }

    #[test]
    fn a_page_has_a_curve_over_psi_where_there_are_several() {
        let one = figures(vec![row("real", None, 0.0), row("psi 1", Some(1.0), 0.004)]).page().html();
        assert!(one.contains("a &lt;network&gt;") && one.contains("<td>4.000</td>"));
        assert!(!one.contains("by psi"));
        let two = figures(vec![row("psi 1", Some(1.0), 0.004), row("psi 0.5", Some(0.5), 0.008)]);
        let html = two.page().html();
        // The smaller psi stands at the left, whatever the order of the measurements: twice the distance is at the top.
        assert!(html.contains("points=\"64.0,28.0 700.0,150.0\""), "{html}");
        let json = serde_json::to_value(&two).unwrap();
        assert_eq!(json["rows"][0]["distances"]["precision"], 0.5);
        assert!(json.get("memorisation").is_none() && json["rows"][0].get("psi").is_none());
    }
}
