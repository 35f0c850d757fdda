//! Cascades in OpenCV's XML, of its `traincascade` program (`opencv-cascade-classifier`).

use roxmltree::{Document, Node as Element, ParsingOptions};

use super::{Ask, Cascade, Features, Node, Part, Stage, Tree};

/// Pixels a side of a window.
const SIDES: std::ops::RangeInclusive<usize> = 8..=512;
/// Elements that a file may have: as a tree each takes some 50 bytes.
const ELEMENTS: u32 = 2_000_000;
/// OpenCV writes what a stage must reach, and asks for so much less.
const SLACK: f32 = 1e-5;

/// Reads a cascade; the error is a reason to show.
pub(super) fn cascade(text: &str) -> Result<Cascade, String> {
    let options = ParsingOptions { nodes_limit: ELEMENTS, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| format!("it is no whole XML ({error})"))?;
    let root = document.root_element();
    let children = root.children().filter(Element::is_element);
    let Some(cascade) = children.into_iter().find(|element| child(*element, "stages").is_ok()) else {
        return Err("it is XML without a cascade of OpenCV's kind".into());
    };
    if cascade.attribute("type_id").is_some_and(|kind| kind == "opencv-haar-classifier") {
        return Err("it is a cascade of the kind before OpenCV 2.4, which is not read; opencv_traincascade writes the newer one".into());
    }
    if words(cascade, "stageType")? != "BOOST" {
        return Err("its stages are not boosted".into());
    }
    let side = |name: &str| {
        let side = number::<usize>(words(cascade, name)?, name)?;
        if SIDES.contains(&side) { Ok(side) } else { Err(format!("its {name} is {side}")) }
    };
    let (width, height) = (side("width")?, side("height")?);
    let features = child(cascade, "features")?;
    let features = match words(cascade, "featureType")? {
        "LBP" => Features::Lbp(each(features, |feature| lbp(feature, width, height))?),
        "HAAR" => Features::Haar(each(features, |feature| haar(feature, width, height))?),
        other => return Err(format!("its features are {other}, where LBP and HAAR are read")),
    };
    let (count, patterns) = match &features {
        Features::Lbp(features) => (features.len(), true),
        Features::Haar(features) => (features.len(), false),
    };
    let mut cascade_read =
        Cascade { width, height, stages: Vec::new(), nodes: Vec::new(), leaves: Vec::new(), features };
    for stage in items(child(cascade, "stages")?) {
        let threshold = number::<f32>(words(stage, "stageThreshold")?, "stageThreshold")? - SLACK;
        let mut trees = Vec::new();
        for tree in items(child(stage, "weakClassifiers")?) {
            trees.push(self::tree(tree, patterns, count, &mut cascade_read)?);
        }
        if trees.is_empty() || !threshold.is_finite() {
            return Err("a stage asks nothing".into());
        }
        cascade_read.stages.push(Stage { threshold, trees });
    }
    if cascade_read.stages.is_empty() {
        return Err("it has no stages".into());
    }
    Ok(cascade_read)
}

/// Adds a tree's nodes and leaves.
fn tree(element: Element<'_, '_>, patterns: bool, features: usize, cascade: &mut Cascade) -> Result<Tree, String> {
    let tree = Tree { node: cascade.nodes.len(), leaf: cascade.leaves.len() };
    let fields: Vec<&str> = words(element, "internalNodes")?.split_ascii_whitespace().collect();
    let leaves = words(element, "leafValues")?.split_ascii_whitespace().map(|word| number::<f32>(word, "leafValues"));
    cascade.leaves.extend(leaves.collect::<Result<Vec<_>, _>>()?);
    let leaves = cascade.leaves.len() - tree.leaf;
    let a_node = if patterns { 11 } else { 4 };
    if fields.is_empty() || !fields.len().is_multiple_of(a_node) {
        return Err(format!("a tree's nodes have {} numbers, where each has {a_node}", fields.len()));
    }
    let nodes = fields.len() / a_node;
    for (at, fields) in fields.chunks_exact(a_node).enumerate() {
        let answer = |word: &str| {
            let answer = number::<i32>(word, "internalNodes")?;
            // Further down only, so that every way ends.
            let sound = if answer > 0 {
                (at + 1..nodes).contains(&(answer as usize))
            } else {
                (answer.unsigned_abs() as usize) < leaves
            };
            if sound {
                Ok(answer)
            } else {
                Err(format!("a tree of {nodes} nodes and {leaves} leaves goes on at {answer}"))
            }
        };
        let feature = number::<usize>(fields[2], "internalNodes")?;
        if feature >= features {
            return Err(format!("it asks for the feature {feature} of {features}"));
        }
        let ask = if patterns {
            let mut set = [0; 8];
            for (bits, word) in set.iter_mut().zip(&fields[3..]) {
                *bits = number::<i32>(word, "internalNodes")?.cast_unsigned();
            }
            Ask::Among(set)
        } else {
            Ask::Below(number(fields[3], "internalNodes")?)
        };
        cascade.nodes.push(Node { feature, ask, yes: answer(fields[0])?, no: answer(fields[1])? });
    }
    Ok(tree)
}

/// The first of nine cells.
fn lbp(feature: Element<'_, '_>, width: usize, height: usize) -> Result<Part, String> {
    let numbers = words(feature, "rect")?.split_ascii_whitespace().map(|word| number::<usize>(word, "rect"));
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let &[x, y, w, h] = &numbers[..] else {
        return Err(format!("a feature has {} numbers, where 4 are", numbers.len()));
    };
    part([x, y, w, h], 3, width, height)
}

/// Two or three rectangles with their weights.
fn haar(feature: Element<'_, '_>, width: usize, height: usize) -> Result<[(Part, f32); 3], String> {
    if child(feature, "tilted").is_ok_and(|tilted| tilted.text().is_some_and(|text| text.trim() != "0")) {
        return Err("some of its features are tilted, which is not read; take one of upright or LBP features".into());
    }
    let mut parts = Vec::new();
    for rectangle in items(child(feature, "rects")?) {
        let fields: Vec<&str> = rectangle.text().unwrap_or_default().split_ascii_whitespace().collect();
        let &[x, y, w, h, weight] = &fields[..] else {
            return Err(format!("a rectangle has {} numbers, where 5 are", fields.len()));
        };
        let mut sides = [0; 4];
        for (side, word) in sides.iter_mut().zip([x, y, w, h]) {
            *side = number(word, "rects")?;
        }
        parts.push((part(sides, 1, width, height)?, number::<f32>(weight, "rects")?));
    }
    let none = (Part { x: 0, y: 0, width: 0, height: 0 }, 0.0);
    match parts[..] {
        [first, second] => Ok([first, second, none]),
        [first, second, third] => Ok([first, second, third]),
        _ => Err(format!("a feature has {} rectangles, where 2 or 3 are", parts.len())),
    }
}

/// A rectangle which, so many times across and down, lies in the window.
fn part([x, y, width, height]: [usize; 4], times: usize, across: usize, down: usize) -> Result<Part, String> {
    let fits =
        |from: usize, side: usize, most: usize| side > 0 && side <= most && from <= most && from + times * side <= most;
    if fits(x, width, across) && fits(y, height, down) {
        return Ok(Part { x, y, width, height });
    }
    Err(format!("a feature ({x} {y} {width} {height}) reaches out of the window of {across} x {down}"))
}

fn child<'a, 'input>(element: Element<'a, 'input>, name: &str) -> Result<Element<'a, 'input>, String> {
    let mut found = element.children().filter(|child| child.has_tag_name(name));
    found.next().ok_or_else(|| format!("it has no <{name}> where one belongs"))
}

fn words<'a>(element: Element<'a, '_>, name: &str) -> Result<&'a str, String> {
    Ok(child(element, name)?.text().unwrap_or_default().trim())
}

/// The elements of a list.
fn items<'a, 'input>(list: Element<'a, 'input>) -> impl Iterator<Item = Element<'a, 'input>> {
    list.children().filter(|item| item.has_tag_name("_"))
}

fn each<T>(list: Element<'_, '_>, read: impl Fn(Element<'_, '_>) -> Result<T, String>) -> Result<Vec<T>, String> {
    items(list).map(read).collect()
}

fn number<T: std::str::FromStr>(word: &str, place: &str) -> Result<T, String> {
    // OpenCV writes "1." for 1 in some lists.
    word.parse().map_err(|_| format!("{:?} stands in its {place}", word.chars().take(40).collect::<String>()))
}
