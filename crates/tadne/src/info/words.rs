//! A network and its training, each as a line for people.

use serde_json::Value;
use synth::{Architecture, Ink, NoiseInputs, Upsample};

/// What a network is made of.
pub(super) fn network(architecture: &Architecture) -> String {
    let (height, width) = architecture.composed();
    let channels: Vec<_> = architecture.channels.iter().map(usize::to_string).collect();
    let convolutions = match architecture.upsample {
        Upsample::UpConv => "convolutions after upsampling",
        Upsample::ConvUp => "convolutions before upsampling",
        Upsample::StyleGan2 => "transposed convolutions",
    };
    let noise = match architecture.noise {
        NoiseInputs::None => "no noise",
        NoiseInputs::Coarse => "noise in coarse blocks",
        NoiseInputs::All => "noise everywhere",
    };
    let redrawn = |ink: Option<Ink>, looked_at: &str| {
        ink.map_or(String::new(), |Ink { channels, blocks, factor }| {
            format!("; {looked_at} {factor} times as large by {} of {channels} channels", count(blocks, "block"))
        })
    };
    let (inked, magnified) = (redrawn(architecture.ink, "redrawn"), redrawn(architecture.lens, "through its lens"));
    format!(
        "{width} x {height} in {} of {} channels; z {}, {}, w {}; {convolutions}, {noise}{inked}{magnified}",
        count(channels.len(), "block"),
        channels.join(", "),
        architecture.z_dim,
        count(architecture.mapping_layers, "layer"),
        architecture.w_dim
    )
}

/// How it was trained, as far as `provenance` tells.
pub(super) fn training(provenance: &Value) -> String {
    let text = |key: &str| provenance[key].as_str();
    let number = |key: &str| provenance[key].as_f64();
    if provenance["untrained"] == true {
        return "none: random weights".into();
    }
    let mut parts: Vec<String> = Vec::new();
    if let Some(file) = text("imported_from") {
        let (network, layout) = (text("network").unwrap_or("a network"), text("layout").unwrap_or("an unknown layout"));
        parts.push(format!("by others: {network} of {file} ({layout})"));
    }
    if let Some(kimg) = number("kimg") {
        let batch = number("batch").map_or(String::new(), |batch| format!(" in batches of {batch}"));
        parts.push(format!("{kimg:.0} thousand pictures{batch}"));
    }
    if let Some(kimg) = number("kimg_before_growth").filter(|&kimg| kimg > 0.0) {
        parts.push(format!("{kimg:.0} of them at a smaller size"));
    }
    let states = provenance["average_of"].as_array();
    if let Some(hours) = longest(provenance, "hours") {
        parts.push(format!("{hours:.1} hours"));
    }
    if let Some(states) = states {
        parts.push(format!("the mean of {}", count(states.len(), "state")));
    }
    for (entry, what) in [("ink_kimg", "redrawing"), ("lens_kimg", "its lens")] {
        if let Some(kimg) = number(entry) {
            parts.push(format!("{what} learnt from {kimg:.0} thousand patches"));
        }
    }
    if let Some(program) = text("trained_by") {
        let recipe = text("config").map_or(String::new(), |name| format!(" (recipe {name})"));
        parts.push(format!("by {program}{recipe}"));
    }
    if parts.is_empty() { "the file does not say".into() } else { parts.join("; ") }
}

/// The largest value of `key` in it and in what it is the mean of.
fn longest(provenance: &Value, key: &str) -> Option<f64> {
    let states = provenance["average_of"].as_array().into_iter().flatten().filter_map(|state| longest(state, key));
    provenance[key].as_f64().into_iter().chain(states).reduce(f64::max)
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn training_is_one_line_whatever_the_file_says() {
        let state = |hours: f64| json!({"config": "c64", "kimg": 800.4, "hours": hours, "trained_by": "tadne 0.1.0"});
        let mut mean = state(2.0);
        mean.as_object_mut().unwrap().remove("hours");
        mean["average_of"] = json!([state(3.5), state(3.85)]);
        mean["batch"] = json!(32);
        mean["ink_kimg"] = json!(300.0);
        mean["lens_kimg"] = json!(20.0);
        assert_eq!(
            training(&mean),
            "800 thousand pictures in batches of 32; 3.9 hours; the mean of 2 states; redrawing learnt from 300 thousand patches; \
             its lens learnt from 20 thousand patches; by tadne 0.1.0 (recipe c64)"
        );
        let imported = json!({"imported_from": "a.pkl", "layout": "StyleGAN2-ADA", "network": "G_ema", "notes": []});
        assert_eq!(training(&imported), "by others: G_ema of a.pkl (StyleGAN2-ADA)");
        assert_eq!(training(&json!({"untrained": true})), "none: random weights");
        for odd in [Value::Null, json!("a text"), json!({"kimg": "many"}), json!([1])] {
            assert_eq!(training(&odd), "the file does not say");
        }
    }

    #[test]
    fn a_network_is_one_line() {
        let mut architecture = Architecture::plain(16, 24, &[16, 8]);
        let said = network(&architecture);
        assert!(said.starts_with("8 x 8 in 2 blocks of 16, 8 channels; z 16, ") && said.contains("w 24"), "{said}");
        architecture.ink = Some(Ink { channels: 8, blocks: 1, factor: 4 });
        assert!(network(&architecture).ends_with("redrawn 4 times as large by 1 block of 8 channels"));
        architecture.lens = Some(Ink { channels: 4, blocks: 2, factor: 2 });
        assert!(
            network(&architecture).ends_with("8 channels; through its lens 2 times as large by 2 blocks of 4 channels")
        );
    }
}
