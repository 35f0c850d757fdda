//! The frame of a JPEG: its size and what is known of its components' blocks.

/// One component, such as luminance.
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks of an MCU across and down.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Number of its quantisation table.
    pub(super) table: usize,
    /// Blocks across and down of a scan of this component alone.
    pub(super) own: (usize, usize),
    /// Blocks in a row of whole MCUs.
    pub(super) across: usize,
    /// The DC coefficient of every block, quantised.
    pub(super) dc: Vec<i16>,
    /// Which coefficients of every block are not zero, a bit each; of progressive pictures only.
    pub(super) set: Vec<u64>,
    /// Bits of each coefficient that are still to come; none before its first scan.
    pub(super) missing: [Option<u8>; 64],
}

/// A picture's size and components.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// MCUs across and down.
    pub(super) mcus: (usize, usize),
    /// Blocks of the largest component in an MCU, across and down.
    pub(super) largest: (usize, usize),
}

impl Frame {
    /// Reads a SOF segment (ITU-T T.81, B.2.2). `limit` bounds the memory of its blocks in bytes.
    pub(super) fn parse(segment: &[u8], progressive: bool, limit: u64) -> Result<Self, String> {
        let malformed = || "its frame header is malformed".to_owned();
        let [precision, h1, h0, w1, w0, count, list @ ..] = segment else { return Err(malformed()) };
        if *precision != 8 {
            return Err(format!("it has {precision} bits a sample; JPEGs of 8 are read"));
        }
        let (width, height) =
            (usize::from(u16::from_be_bytes([*w1, *w0])), usize::from(u16::from_be_bytes([*h1, *h0])));
        let specs = list.as_chunks::<3>().0;
        if width == 0 || height == 0 || !(1..=4).contains(count) || specs.len() < usize::from(*count) {
            return Err(malformed());
        }
        let specs = &specs[..usize::from(*count)];
        let factors = |byte: u8| (usize::from(byte >> 4), usize::from(byte & 15));
        if specs.iter().any(|spec| !matches!(factors(spec[1]), (1..=4, 1..=4)) || spec[2] > 3) {
            return Err(malformed());
        }
        let largest = specs.iter().fold((1, 1), |(h, v), spec| {
            let own = factors(spec[1]);
            (h.max(own.0), v.max(own.1))
        });
        let mcus = (width.div_ceil(8 * largest.0), height.div_ceil(8 * largest.1));
        let blocks: usize = specs.iter().map(|spec| factors(spec[1])).map(|(h, v)| mcus.0 * h * mcus.1 * v).sum();
        if blocks as u64 * if progressive { 10 } else { 2 } > limit {
            return Err(format!("{width} x {height} pixels are more than can be read; scale it down"));
        }
        let components = specs.iter().map(|&[id, sampling, table]| {
            let (h, v) = factors(sampling);
            let own = |side: usize, factor: usize, largest: usize| (side * factor).div_ceil(largest).div_ceil(8);
            let blocks = mcus.0 * h * mcus.1 * v;
            Component {
                id,
                h,
                v,
                table: usize::from(table),
                own: (own(width, h, largest.0), own(height, v, largest.1)),
                across: mcus.0 * h,
                dc: vec![0; blocks],
                set: vec![0; if progressive { blocks } else { 0 }],
                missing: [None; 64],
            }
        });
        Ok(Self { width, height, progressive, components: components.collect(), mcus, largest })
    }

    /// Notes what a scan has brought.
    pub(super) fn note(&mut self, components: &[usize], (first, last): (usize, usize), low: u8) {
        for &component in components {
            self.components[component].missing[first..=last].fill(Some(low));
        }
    }

    /// Whether every bit of every coefficient was sent.
    pub(super) fn is_whole(&self) -> bool {
        self.components.iter().all(|component| component.missing.iter().all(|bits| *bits == Some(0)))
    }
}
