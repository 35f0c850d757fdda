//! The mean of several states of one generator.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{CENTRES, DIRECTIONS, SPREAD};
use crate::{Architecture, ModelError, ModelFile, Selection};

/// Why [`ModelFile::average`] gave none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AverageError {
    /// Fewer than two were given.
    #[error("an average needs at least two models")]
    TooFew,
    /// A network is built differently from the first one.
    #[error("model {which} is built differently from the first: {problem}")]
    Different {
        /// Which of them, counted from 1.
        which: usize,
        /// What differs.
        problem: String,
    },
    /// One of them is not sound.
    #[error("model {which}: {problem}")]
    Model {
        /// Which of them, counted from 1.
        which: usize,
        /// What is wrong with it.
        problem: ModelError,
    },
}

impl ModelFile {
    /// The mean of every weight of `models`, which should be states of one training run: networks trained apart agree on nothing
    /// that could be averaged. States that a high learning rate keeps in motion have a mean nearer to the middle of what they move
    /// around than any of them is (stochastic weight averaging, arXiv 1803.05407).
    ///
    /// Its origin says what theirs all say, and the largest of their kimg, and holds theirs as `average_of`; its terms are those of the last one. What was measured on
    /// one of them alone (calibration, centres and spread of truncation, directions, selection) is left out.
    ///
    /// # Errors
    /// [`AverageError`], if there are fewer than two, one is not sound, or they are not the same network.
    pub fn average(models: &[Self]) -> Result<Self, AverageError> {
        let [first, .., last] = models else { return Err(AverageError::TooFew) };
        let measured =
            |name: &str| [CENTRES, SPREAD, DIRECTIONS].contains(&name) || name.starts_with(Selection::TENSORS);
        for (i, model) in models.iter().enumerate() {
            model.check().map_err(|problem| AverageError::Model { which: i + 1, problem })?;
            let differs = |problem: String| Err(AverageError::Different { which: i + 1, problem });
            if model.architecture != first.architecture {
                return differs(difference(&model.architecture, &first.architecture));
            }
            let names = |model: &Self| model.tensors.keys().filter(|name| !measured(name)).cloned().collect::<Vec<_>>();
            if names(model) != names(first) {
                return differs("it holds other tensors".into());
            }
        }
        let mut mean = last.clone();
        mean.metadata.calibration = None;
        mean.metadata.selection = None;
        mean.metadata.directions.clear();
        mean.tensors.retain(|name, _| !measured(name));
        for (name, tensor) in &mut mean.tensors {
            for (i, value) in tensor.data.iter_mut().enumerate() {
                let sum: f64 = models.iter().map(|model| f64::from(model.tensors[name].data[i])).sum();
                *value = (sum / models.len() as f64) as f32;
            }
        }
        let origins: Vec<_> = models.iter().map(|model| model.metadata.provenance.clone()).collect();
        let shared = |key: &str, value: &serde_json::Value| origins.iter().all(|origin| origin.get(key) == Some(value));
        let mut provenance = serde_json::Map::new();
        if let Some(entries) = last.metadata.provenance.as_object() {
            provenance.extend(entries.clone().into_iter().filter(|(key, value)| shared(key, value)));
        }
        // How much was seen is what the longest trained of them saw.
        let seen = |origin: &&serde_json::Value| origin["kimg"].as_f64().unwrap_or(-1.0);
        if let Some(longest) =
            origins.iter().max_by(|a, b| seen(a).total_cmp(&seen(b))).and_then(|origin| origin.get("kimg"))
        {
            provenance.insert("kimg".into(), longest.clone());
        }
        provenance.insert("average_of".into(), origins.into());
        mean.metadata.provenance = provenance.into();
        Ok(mean)
    }
}

/// The first field in which an architecture differs from another, with both values.
fn difference(one: &Architecture, other: &Architecture) -> String {
    // An architecture is plain data, which always serialises.
    let [one, other] = [one, other].map(|architecture| serde_json::to_value(architecture).unwrap_or_default());
    let entries = [&one, &other].into_iter().filter_map(Value::as_object).flatten();
    let names: BTreeSet<&String> = entries.map(|(name, _)| name).collect();
    // A field that is not written is none, as null is.
    let mut fields = names.into_iter().map(|name| (name, &one[name], &other[name]));
    let said = |value: &Value| if value.is_null() { "none".to_owned() } else { value.to_string() };
    match fields.find(|(_, one, other)| one != other) {
        Some((name, one, other)) => format!("its {name}: {} instead of {}", said(one), said(other)),
        None => "its architecture is another".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, Ink, Seed, Tensor};

    fn random(seed: u64) -> ModelFile {
        ModelFile::random(Architecture::plain(16, 16, &[16, 8]), Seed(seed)).unwrap()
    }

    #[test]
    fn every_weight_is_the_mean_and_measurements_are_left_out() {
        let mut models = [random(1), random(2), random(3)];
        models[2].metadata.calibration = Some(Calibration { psi_low: 0.3, psi_best: 0.9, psi_high: 2.0 });
        models[2].tensors.insert(SPREAD.into(), Tensor { shape: vec![2], data: vec![4.0, 1.0] });
        models[2].metadata.license = "terms".into();
        for (kimg, model) in [30, 20, 10].into_iter().zip(&mut models) {
            model.metadata.provenance = serde_json::json!({ "config": "c64", "kimg": kimg });
        }
        let mean = ModelFile::average(&models).unwrap();
        for (name, tensor) in &mean.tensors {
            for (i, value) in tensor.data.iter().enumerate() {
                let expected = models.iter().map(|model| model.tensors[name].data[i]).sum::<f32>() / 3.0;
                assert!((value - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{name} {i}");
            }
        }
        assert_eq!((mean.metadata.calibration, mean.tensors.len()), (None, models[0].tensors.len()));
        assert_eq!(mean.metadata.license, "terms");
        let origin = &mean.metadata.provenance;
        assert_eq!(
            (&origin["config"], origin.get("kimg"), &origin["average_of"][1]["kimg"]),
            (&"c64".into(), Some(&30.into()), &20.into())
        );
        mean.check().unwrap();
    }

    #[test]
    fn only_the_same_network_has_a_mean() {
        assert!(matches!(ModelFile::average(&[random(1)]), Err(AverageError::TooFew)));
        let other = ModelFile::random(Architecture::plain(16, 16, &[16, 12]), Seed(1)).unwrap();
        assert!(matches!(ModelFile::average(&[random(1), other]), Err(AverageError::Different { which: 2, .. })));
        // Of two architectures only what differs is said.
        for (change, problem) in [
            (Architecture::plain(16, 16, &[16, 12]), "its channels: [16,12] instead of [16,8]"),
            (Architecture { mapping_layers: 3, ..random(1).architecture }, "its mapping_layers: 3 instead of 2"),
            (
                Architecture { ink: Some(Ink { channels: 4, blocks: 1, factor: 2 }), ..random(1).architecture },
                "its ink: {\"blocks\":1,\"channels\":4,\"factor\":2} instead of none",
            ),
        ] {
            let other = ModelFile::random(change, Seed(1)).unwrap();
            let error = ModelFile::average(&[random(1), other]).unwrap_err().to_string();
            assert_eq!(error, format!("model 2 is built differently from the first: {problem}"));
        }
        let mut broken = random(2);
        broken.tensors.remove("mapping.w_avg");
        let error = ModelFile::average(&[random(1), broken]).unwrap_err();
        assert!(matches!(error, AverageError::Model { which: 2, .. }), "{error}");
        assert!(error.to_string().starts_with("model 2: "), "{error}");
    }
}
