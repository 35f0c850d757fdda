//! The figures of `tadne bench` as a page.

use super::{Layer, Report};
use crate::report::Page;

impl Report {
    pub(super) fn page(&self) -> Page {
        let mut page = Page::new("How fast this machine draws");
        page.paragraph(&format!("{}, {}.", self.machine, self.simd));
        page.paragraph(&format!(
            "Pictures of {} x {} pixels, {:.3} GMAC each; {:.1} MB of packed weights.",
            self.width, self.height, self.gmac, self.weights_mb
        ));
        self.rows(&mut page);
        if !self.layers.is_empty() {
            self.parts(&mut page);
        }
        if let Some(memory) = self.memory_mb {
            page.paragraph(&format!("The program had {memory:.0} MB of memory at most."));
        }
        page
    }

    fn rows(&self, page: &mut Page) {
        page.heading("Drawing");
        let of = |value: fn(&super::Row) -> f64| -> Vec<_> {
            let name = |row: &super::Row| {
                let s = if row.threads == 1 { "" } else { "s" };
                format!("{} thread{s}: {}", row.threads, row.way())
            };
            self.rows.iter().map(|row| (name(row), value(row))).collect()
        };
        page.bars("Milliseconds a picture, median: shorter is faster", &of(|row| row.ms));
        page.bars("Pictures a second: longer is faster", &of(|row| row.pictures_per_second));
        let cells = |row: &super::Row| {
            let figures = [
                format!("{:.3}", row.ms),
                format!("{:.3}", row.fastest_ms),
                format!("{:.1}", row.pictures_per_second),
                format!("{:.1}", row.gflops),
                format!("{:.0} %", row.share_of_peak * 100.0),
            ];
            [row.threads.to_string(), row.way()].into_iter().chain(figures).collect()
        };
        let head = ["threads", "way", "ms a picture", "fastest", "pictures/s", "GFLOP/s", "of peak"];
        page.table(&head, &self.rows.iter().map(cells).collect::<Vec<_>>());
        page.paragraph(
            "GFLOP/s are effective: those of the plain convolutions, two for every multiply-accumulate. As the kernels need fewer, \
             the share of the measured peak can be above 100 %.",
        );
    }

    fn parts(&self, page: &mut Page) {
        page.heading("Where the time goes");
        let total: f64 = self.layers.iter().map(|layer| layer.ms).sum();
        let bars: Vec<_> = self.layers.iter().map(|layer| (layer.name.clone(), layer.ms)).collect();
        page.bars(&format!("Milliseconds of one picture by part; {total:.3} in all"), &bars);
        let cells = |Layer { name, ms, gflops }: &Layer| {
            let gflops = gflops.map_or(String::new(), |g| format!("{g:.1}"));
            vec![name.clone(), format!("{ms:.3}"), format!("{:.0} %", ms / total * 100.0), gflops]
        };
        page.table(&["part", "ms", "share", "GFLOP/s"], &self.layers.iter().map(cells).collect::<Vec<_>>());
    }
}
