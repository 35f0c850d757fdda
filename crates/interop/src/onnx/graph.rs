//! Puts an ONNX graph together: names for values, constants stored once.

use std::collections::HashSet;

use super::proto::{
    Attribute, AttributeKind, Dimension, ElementKind, GraphProto, Model, Node, OperatorSet, Shape, TensorProto,
    TensorType, TypeProto, ValueInfo, dimension,
};

/// Version of the operators. 17 is what runtimes of 2022 and later read.
const OPSET: i64 = 17;
/// Version of the file format that goes with it.
const IR_VERSION: i64 = 8;

/// A graph that grows node by node.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    constants: Vec<TensorProto>,
    names: HashSet<String>,
    inputs: Vec<ValueInfo>,
}

/// One axis of a shape: a length, or a name for one that is open.
#[derive(Clone, Debug)]
pub(super) enum Axis {
    Length(usize),
    Open(&'static str),
}

impl From<usize> for Axis {
    fn from(length: usize) -> Self {
        Axis::Length(length)
    }
}

impl From<&'static str> for Axis {
    fn from(name: &'static str) -> Self {
        Axis::Open(name)
    }
}

impl Graph {
    /// An input of floating-point numbers; gives its name.
    pub(super) fn input(&mut self, name: &str, shape: &[Axis]) -> String {
        self.inputs.push(value_info(name, shape));
        name.into()
    }

    /// A constant of floating-point numbers; of a name that is taken already, the first one stays.
    pub(super) fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> String {
        let raw = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(name, ElementKind::Float, shape, raw)
    }

    /// A constant number.
    pub(super) fn scalar(&mut self, name: &str, value: f32) -> String {
        self.constant(name, &[], vec![value])
    }

    /// The axes of height and width.
    pub(super) fn axes(&mut self) -> String {
        self.put("axes", ElementKind::Int64, &[2], || [2_i64, 3].iter().flat_map(|axis| axis.to_le_bytes()).collect())
    }

    fn put(&mut self, name: &str, kind: ElementKind, shape: &[usize], raw: impl FnOnce() -> Vec<u8>) -> String {
        if self.names.insert(name.into()) {
            let dims = shape.iter().map(|&length| length as i64).collect();
            self.constants.push(TensorProto { dims, data_type: kind.into(), name: name.into(), raw_data: raw() });
        }
        name.into()
    }

    /// A node with one result; gives the result's name.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let output = format!("{operator}.{}", self.nodes.len());
        self.node_named(operator, inputs, attributes, &output);
        output
    }

    /// A node whose result has a given name.
    pub(super) fn node_named(&mut self, operator: &str, inputs: &[&str], attribute: Vec<Attribute>, output: &str) {
        self.nodes.push(Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            name: format!("node.{}", self.nodes.len()),
            op_type: operator.into(),
            attribute,
        });
    }

    /// `z [N, 512]` and so on.
    pub(super) fn described_inputs(&self) -> Vec<String> {
        let length = |dimension: &Dimension| match &dimension.value {
            Some(dimension::Value::Length(length)) => length.to_string(),
            Some(dimension::Value::Name(name)) => name.clone(),
            None => "?".into(),
        };
        let described = |input: &ValueInfo| {
            let shape =
                input.kind.as_ref().and_then(|kind| kind.tensor.as_ref()).and_then(|tensor| tensor.shape.as_ref());
            let lengths: Vec<String> = shape.map(|shape| shape.dim.iter().map(length).collect()).unwrap_or_default();
            format!("{} [{}]", input.name, lengths.join(", "))
        };
        self.inputs.iter().map(described).collect()
    }

    /// The whole, with one output.
    pub(super) fn finish(self, output: &str, shape: &[Axis]) -> Model {
        let graph = GraphProto {
            node: self.nodes,
            name: "generator".into(),
            initializer: self.constants,
            input: self.inputs,
            output: vec![value_info(output, shape)],
        };
        Model {
            ir_version: IR_VERSION,
            producer_name: "tadne".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props: Vec::new(),
        }
    }
}

fn value_info(name: &str, shape: &[Axis]) -> ValueInfo {
    let dim = shape.iter().map(|axis| Dimension {
        value: Some(match axis {
            Axis::Length(length) => dimension::Value::Length(*length as i64),
            Axis::Open(name) => dimension::Value::Name((*name).into()),
        }),
    });
    let tensor = TensorType { elem_type: ElementKind::Float.into(), shape: Some(Shape { dim: dim.collect() }) };
    ValueInfo { name: name.into(), kind: Some(TypeProto { tensor: Some(tensor) }) }
}

/// An attribute that is a whole number.
pub(super) fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, kind: AttributeKind::Int.into(), ..Attribute::default() }
}

/// An attribute that is a list of whole numbers.
pub(super) fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.into(), ints: ints.to_vec(), kind: AttributeKind::Ints.into(), ..Attribute::default() }
}

/// An attribute that is a number.
pub(super) fn float(name: &str, f: f32) -> Attribute {
    Attribute { name: name.into(), f, kind: AttributeKind::Float.into(), ..Attribute::default() }
}

/// An attribute that is a word.
pub(super) fn string(name: &str, s: &str) -> Attribute {
    Attribute { name: name.into(), s: s.into(), kind: AttributeKind::String.into(), ..Attribute::default() }
}
