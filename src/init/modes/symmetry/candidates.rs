//! Changes of a model's parameters that may leave its posterior the same, from their names alone and the sides to which
//! they are bounded.

use crate::model::Model;
use std::collections::BTreeMap;

/// A rearrangement of the constrained parameters.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where each parameter comes from.
    from: Vec<usize>,
    /// Parameters whose sign changes, after that.
    negated: Vec<usize>,
    /// Parameters p that become 1 − p, likewise.
    complemented: Vec<usize>,
}

impl Change {
    pub fn apply(&self, parameters: &[f64]) -> Vec<f64> {
        let mut changed: Vec<f64> = self.from.iter().map(|&index| parameters[index]).collect();
        self.negated.iter().for_each(|&index| changed[index] = -changed[index]);
        self.complemented.iter().for_each(|&index| changed[index] = 1.0 - changed[index]);
        changed
    }
}

/// A change that may be a symmetry.
pub struct Candidate {
    pub change: Change,
    pub description: String,
    /// Changes like it, of other indices, that are worth a try if it is one.
    pub others: Vec<Candidate>,
}

/// A parameter of the program with all its elements.
struct Block<'a> {
    name: &'a str,
    /// Each element's indices, from one, and its place among the parameters.
    elements: Vec<(Vec<usize>, usize)>,
    /// The length of each axis; none for a scalar.
    shape: Vec<usize>,
}

/// An axis of a block.
type Axis = (usize, usize);

/// Sets of axes of more than so many are not formed.
const MOST_AXES: usize = 6;
/// An unconstrained point that lies far on one side in every coordinate.
const FAR: f64 = 30.0;
/// And one that is near enough for unbounded parameters to be told from their neighbours.
const NEAR: f64 = 3.0;

/// The candidates, those first that change most at once: what several parameters share is rarely exchangeable for one of
/// them alone.
pub fn candidates(model: &dyn Model) -> Vec<Candidate> {
    let names = &model.names()[..model.parameter_count()];
    let blocks = blocks(names);
    let at = |value: f64| {
        let mut parameters = vec![f64::NAN; names.len()];
        let constrained = model.constrain_parameters(&vec![value; model.dim()], &mut parameters);
        constrained.map_or_else(|_| vec![f64::NAN; names.len()], |()| parameters)
    };
    let (lowest, highest, low, high) = (at(-FAR), at(FAR), at(-NEAR), at(NEAR));
    let is_share = |index: usize| lowest[index].abs() < 1e-9 && (highest[index] - 1.0).abs() < 1e-9;
    let is_unbounded = |index: usize| low[index] < 0.0 && high[index] > 0.0 && (low[index] + high[index]).abs() < 1e-9;
    let shares: Vec<&Block<'_>> =
        blocks.iter().filter(|block| block.shape.is_empty() && is_share(block.elements[0].1)).collect();
    let unbounded: Vec<&Block<'_>> =
        blocks.iter().filter(|block| block.elements.iter().all(|&(_, index)| is_unbounded(index))).collect();
    let mut candidates = exchanges(&blocks, &shares, names.len());
    candidates.extend(sign_changes(&unbounded, names.len()));
    candidates
}

/// The parameters that `names`, in Stan's style, are elements of.
fn blocks(names: &[String]) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let indexed = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
        let parsed = indexed.and_then(|(base, indices)| {
            let indices: Result<Vec<usize>, _> = indices.split(',').map(str::parse).collect();
            indices.ok().map(|indices| (base, indices))
        });
        let (base, indices) = parsed.unwrap_or((name, Vec::new()));
        match blocks.last_mut().filter(|block| block.name == base && block.shape.len() == indices.len()) {
            Some(block) => {
                block.shape.iter_mut().zip(&indices).for_each(|(length, &index)| *length = index.max(*length));
                block.elements.push((indices, place));
            }
            None => blocks.push(Block { name: base, shape: indices.clone(), elements: vec![(indices, place)] }),
        }
    }
    blocks
}

/// Exchanges of index 1 with 2 along every set of axes of one length, the largest sets first; where the length is 2, with
/// and without the complement of a share.
fn exchanges(blocks: &[Block<'_>], shares: &[&Block<'_>], count: usize) -> Vec<Candidate> {
    let mut by_length: BTreeMap<usize, Vec<Axis>> = BTreeMap::new();
    for (index, block) in blocks.iter().enumerate() {
        for (axis, &length) in block.shape.iter().enumerate().filter(|(_, length)| **length > 1) {
            by_length.entry(length).or_default().push((index, axis));
        }
    }
    let mut candidates = Vec::new();
    for (length, axes) in by_length {
        let mut sets: Vec<u32> = (1..1 << axes.len().min(MOST_AXES)).collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.count_ones()));
        for set in sets {
            let chosen: Vec<Axis> =
                axes.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, &axis)| axis).collect();
            let exchange = |other: usize, share: Option<&Block<'_>>| exchange(blocks, &chosen, other, share, count);
            if length == 2 {
                candidates.extend(shares.iter().map(|share| exchange(2, Some(*share))));
            }
            let others = (3..=length).map(|other| exchange(other, None)).collect();
            candidates.push(Candidate { others, ..exchange(2, None) });
        }
    }
    candidates
}

/// The exchange of index 1 with `other` along `axes`, and the complement of a share.
fn exchange(blocks: &[Block<'_>], axes: &[Axis], other: usize, share: Option<&Block<'_>>, count: usize) -> Candidate {
    let exchanged = |index: usize| match index {
        1 => other,
        index if index == other => 1,
        index => index,
    };
    let mut from: Vec<usize> = (0..count).collect();
    let mut words = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let along: Vec<usize> = axes.iter().filter(|axis| axis.0 == index).map(|axis| axis.1).collect();
        if along.is_empty() {
            continue;
        }
        let places: BTreeMap<&[usize], usize> =
            block.elements.iter().map(|(indices, place)| (&indices[..], *place)).collect();
        for (indices, place) in &block.elements {
            let mut source = indices.clone();
            along.iter().for_each(|&axis| source[axis] = exchanged(indices[axis]));
            from[*place] = places[&source[..]];
        }
        words.extend(along.iter().map(|&axis| format!("{} with {}", slice(block, axis, 1), slice(block, axis, other))));
    }
    let complemented: Vec<usize> = share.iter().map(|share| share.elements[0].1).collect();
    words.extend(share.map(|share| format!("{0} with 1 - {0}", share.name)));
    let description = format!("exchanging {}", listed(&words));
    Candidate { change: Change { from, negated: Vec::new(), complemented }, description, others: Vec::new() }
}

/// The part of a block that has one index on an axis, as Stan writes it: `theta[1, :]`.
fn slice(block: &Block<'_>, axis: usize, index: usize) -> String {
    let indices: Vec<String> =
        (0..block.shape.len()).map(|at| if at == axis { index.to_string() } else { ":".into() }).collect();
    format!("{}[{}]", block.name, indices.join(", "))
}

/// Sign changes of one or two whole parameters, and of the first slices of two that have an axis of one length, the
/// other slices after it.
fn sign_changes(unbounded: &[&Block<'_>], count: usize) -> Vec<Candidate> {
    let whole = |blocks: &[&Block<'_>]| {
        let negated = blocks.iter().flat_map(|block| block.elements.iter().map(|&(_, place)| place)).collect();
        let names: Vec<String> = blocks.iter().map(|block| block.name.to_owned()).collect();
        let noun = if blocks.len() == 1 && blocks[0].shape.is_empty() { "sign" } else { "signs" };
        negation(negated, format!("changing the {noun} of {}", listed(&names)), count)
    };
    let mut candidates: Vec<Candidate> = unbounded.iter().map(|block| whole(&[*block])).collect();
    for (index, first) in unbounded.iter().enumerate() {
        for second in &unbounded[index + 1..] {
            candidates.push(whole(&[*first, *second]));
            let axes = |block: &Block<'_>| block.shape.iter().copied().enumerate().collect::<Vec<_>>();
            for (a, length) in axes(first) {
                for (b, _) in axes(second).into_iter().filter(|&(_, other)| other == length && length > 1) {
                    let slices = |index: usize| {
                        let parts = [(*first, a), (*second, b)];
                        let negated = parts.iter().flat_map(|&(block, axis)| {
                            let inside = move |element: &&(Vec<usize>, usize)| element.0[axis] == index;
                            block.elements.iter().filter(inside).map(|&(_, place)| place)
                        });
                        let names = parts.map(|(block, axis)| slice(block, axis, index));
                        negation(negated.collect(), format!("changing the signs of {}", listed(&names)), count)
                    };
                    let others = (2..=length).map(slices).collect();
                    candidates.push(Candidate { others, ..slices(1) });
                }
            }
        }
    }
    candidates
}

fn negation(negated: Vec<usize>, description: String, count: usize) -> Candidate {
    let change = Change { from: (0..count).collect(), negated, complemented: Vec::new() };
    Candidate { change, description, others: Vec::new() }
}

/// "a, b and c".
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
