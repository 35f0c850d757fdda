//! Networks of the YOLO family in ONNX, run by RTen: a picture on grey in, rows of boxes and scores out.

mod rows;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use dataset::Decoded;
use rten::{Dimension, Model, NodeId, RunOptions, ThreadPool};
use rten_tensor::{AsView as _, Layout as _, NdTensor};

use crate::Found;
use crate::network::rows::Layout;

/// Pixels a side where the file leaves it open: what the family is trained at.
const USUAL_SIDE: usize = 640;
/// Pixels a side that a file may ask for.
const SIDES: std::ops::RangeInclusive<usize> = 32..=2048;
/// The grey around a picture that is not of the input's shape, as in Ultralytics' training.
const GREY: u8 = 114;

/// A network that is ready to run.
pub(crate) struct Network {
    model: Model,
    input: NodeId,
    output: NodeId,
    width: usize,
    height: usize,
    layout: Layout,
    /// Pools of one thread, for whoever runs the network now: one for all would have pictures wait for each other, and the usual one
    /// would have every picture take all cores.
    pools: Mutex<Vec<Arc<ThreadPool>>>,
}

/// Where a picture lies in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fit {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Network {
    /// Reads a file; the error is a reason to show.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let model =
            apart(|| Model::load(bytes).map_err(|error| format!("it is no ONNX file that can be run ({error})")))?;
        let (&[input], &[output, ..]) = (model.input_ids(), model.output_ids()) else {
            let (inputs, outputs) = (model.input_ids().len(), model.output_ids().len());
            return Err(format!(
                "it has {inputs} inputs and {outputs} outputs, where one picture is to go in and boxes to come out"
            ));
        };
        let (height, width) = sides(&model.input_shape(0).unwrap_or_default())?;
        let mut network =
            Self { model, input, output, width, height, layout: Layout::Wide, pools: Mutex::new(Vec::new()) };
        let (rows, shape) = network.run(vec![f32::from(GREY) / 255.0; 3 * width * height])?;
        network.layout = Layout::of(&shape, width, height)?;
        network.layout.check(&rows, &shape)?;
        Ok(network)
    }

    /// Faces with at least this score; the error is a reason to show.
    pub(crate) fn detect(&self, picture: &Decoded, least: f64) -> Result<Vec<Found>, String> {
        let (pixels, fit) = self.fitted(picture);
        let (rows, shape) = self.run(pixels)?;
        let (x, y) = (picture.width as f32 / fit.width as f32, picture.height as f32 / fit.height as f32);
        let (right, bottom) = (picture.width as f32, picture.height as f32);
        let back = |found: Found| {
            let [x0, y0, x1, y1] = found.edges;
            let (left, top) = (fit.left as f32, fit.top as f32);
            let edges = [
                ((x0 - left) * x).clamp(0.0, right),
                ((y0 - top) * y).clamp(0.0, bottom),
                ((x1 - left) * x).clamp(0.0, right),
                ((y1 - top) * y).clamp(0.0, bottom),
            ];
            Found { edges, ..found }
        };
        let found = self.layout.found(&rows, &shape, least)?;
        // What lies in the grey alone is no face.
        Ok(found.into_iter().map(back).filter(|found| found.area() > 0.0).collect())
    }

    /// The picture as large as it fits, in the middle of the input, `[3, height, width]` from 0 to 1; and where it lies.
    fn fitted(&self, picture: &Decoded) -> (Vec<f32>, Fit) {
        let scale = (self.width as f64 / picture.width as f64).min(self.height as f64 / picture.height as f64);
        let side = |pixels: usize, most: usize| ((pixels as f64 * scale).round() as usize).clamp(1, most);
        let (width, height) = (side(picture.width, self.width), side(picture.height, self.height));
        let fit = Fit { left: (self.width - width) / 2, top: (self.height - height) / 2, width, height };
        let rgb = picture.scaled(width, height);
        let plane = self.width * self.height;
        let mut pixels = vec![f32::from(GREY) / 255.0; 3 * plane];
        for (y, row) in rgb.chunks_exact(3 * width).enumerate() {
            let start = (fit.top + y) * self.width + fit.left;
            for (x, colour) in row.chunks_exact(3).enumerate() {
                for (channel, value) in colour.iter().enumerate() {
                    pixels[channel * plane + start + x] = f32::from(*value) / 255.0;
                }
            }
        }
        (pixels, fit)
    }

    /// What comes out and its shape, on one core.
    fn run(&self, pixels: Vec<f32>) -> Result<(Vec<f32>, Vec<usize>), String> {
        let input = NdTensor::<f32, 4>::from_data([1, 3, self.height, self.width], pixels);
        let pools = || self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools().pop().unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(1)));
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&pool)));
        let ran = apart(|| {
            let run = self.model.run(vec![(self.input, input.into())], &[self.output], Some(options));
            run.map_err(|error| format!("it cannot be run ({error})"))
        });
        pools().push(pool);
        let value = ran?.into_iter().next().ok_or("nothing comes out")?;
        let rows = value.into_tensor::<f32>().ok_or("what comes out are no numbers of 32 bits")?;
        Ok((rows.to_vec(), rows.shape().to_vec()))
    }
}

/// Works on a thread of its own: a worker of Rayon's that waited for another pool would take up the next picture meanwhile, and that one's worker the
/// next. A panic is an error.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, work) {
        Ok(working) => working.join().unwrap_or_else(|_| Err("it makes the runtime fail".into())),
        Err(error) => Err(format!("there is no thread for it ({error})")),
    })
}

/// Height and width of the input.
fn sides(shape: &[Dimension]) -> Result<(usize, usize), String> {
    let fixed = |at: usize| match shape.get(at) {
        Some(Dimension::Fixed(size)) => Some(*size),
        _ => None,
    };
    let picture =
        (shape.is_empty() || shape.len() == 4) && fixed(0).is_none_or(|n| n == 1) && fixed(1).is_none_or(|n| n == 3);
    let (height, width) = (fixed(2).unwrap_or(USUAL_SIDE), fixed(3).unwrap_or(USUAL_SIDE));
    if picture && SIDES.contains(&height) && SIDES.contains(&width) {
        return Ok((height, width));
    }
    let told = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Symbolic(name) => name.clone(),
    };
    let shape: Vec<String> = shape.iter().map(told).collect();
    let (least, most) = (SIDES.start(), SIDES.end());
    Err(format!(
        "its input is [{}], where [1, 3, height, width] is wanted, {least} to {most} pixels a side",
        shape.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_pictures_of_a_fixed_or_an_open_size() {
        let open = |name: &str| Dimension::Symbolic(name.into());
        let fixed = |sizes: [usize; 4]| sizes.map(Dimension::Fixed).to_vec();
        assert_eq!(sides(&[]), Ok((640, 640)));
        assert_eq!(sides(&fixed([1, 3, 320, 416])), Ok((320, 416)));
        assert_eq!(sides(&[open("n"), Dimension::Fixed(3), open("h"), open("w")]), Ok((640, 640)));
        for bad in [vec![Dimension::Fixed(3)], fixed([2, 3, 64, 64]), fixed([1, 1, 64, 64]), fixed([1, 3, 64, 1 << 20])]
        {
            assert!(sides(&bad).unwrap_err().contains("is wanted"), "{bad:?}");
        }
    }
}
