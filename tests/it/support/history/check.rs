//! Is a history linearisable? The search of Wing and Gong, with Lowe's memory of where it has been.
//!
//! Every operation must seem to happen at one moment between being asked and being answered. The search tries the
//! operations that can come next, applies them to a pure model, and goes back where none fits. What nobody was answered
//! may have happened at any time after it was asked, or never.

use std::{
    collections::HashSet,
    fmt::{self, Debug},
    hash::Hash,
};

/// States visited before the search gives up; a history of thousands of operations needs thousands.
const VISITED_MAX: usize = 2_000_000;

/// What an object may do.
pub(crate) trait Model {
    /// The object's state.
    type State: Clone + Debug + Eq + Hash;
    /// What is done to it, together with what was answered.
    type Act: Debug;

    /// The state after the act; none if it cannot be answered so in this state.
    fn step(&self, state: &Self::State, act: &Self::Act) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug)]
pub(crate) struct Operation<A> {
    /// When it was asked, by a clock that all share.
    pub(crate) asked: u64,
    /// When it was answered; none when nobody knows whether it happened.
    pub(crate) answered: Option<u64>,
    /// What it was, and what was answered.
    pub(crate) act: A,
}

impl<A: Debug> fmt::Display for Operation<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answered {
            Some(answered) => write!(f, "{:>6} to {answered:>6} {:?}", self.asked, self.act),
            None => write!(f, "{:>6} to      ? {:?}", self.asked, self.act),
        }
    }
}

/// Why a history is not linearisable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// No order explains it. How far the best order came, and what could not come next.
    NoOrder(String),
    /// The search was given up.
    TooHard,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrder(why) => f.write_str(why),
            Self::TooHard => write!(f, "not decided within {VISITED_MAX} states"),
        }
    }
}

/// Which operations have been put in order.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    fn put(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }
}

/// Where the search stands: what is in order, the state it leads to, and what may come next.
struct Node<S> {
    done: Done,
    state: S,
    /// Answered operations that are not in order yet.
    left: usize,
    /// What may come next, the best last.
    next: Vec<usize>,
}

/// Finds an order of the operations that the model allows, beginning in `start`.
pub(crate) fn linearisable<M: Model>(
    model: &M,
    start: M::State,
    mut operations: Vec<Operation<M::Act>>,
) -> Result<(), Stuck> {
    operations.sort_by_key(|operation| operation.asked);
    let mut search = Search { model, operations: &operations, visited: HashSet::new(), best: None };
    let left = operations.iter().filter(|operation| operation.answered.is_some()).count();
    let done = Done(vec![0; operations.len().div_ceil(64)]);
    let mut path = Vec::new();
    path.extend(search.enter(done, start, left));
    loop {
        let Some(node) = path.last_mut() else {
            return Err(Stuck::NoOrder(search.best.map(|(_, why)| why).unwrap_or_default()));
        };
        if node.left == 0 {
            return Ok(());
        }
        let Some(index) = node.next.pop() else {
            path.pop();
            continue;
        };
        let Some(state) = model.step(&node.state, &operations[index].act) else { continue };
        let mut done = node.done.clone();
        done.put(index);
        let left = node.left - usize::from(operations[index].answered.is_some());
        if search.visited.len() > VISITED_MAX {
            return Err(Stuck::TooHard);
        }
        path.extend(search.enter(done, state, left));
    }
}

struct Search<'a, M: Model> {
    model: &'a M,
    /// In the order in which they were asked.
    operations: &'a [Operation<M::Act>],
    visited: HashSet<(Done, M::State)>,
    /// The fewest operations that were left, and a description of that dead end.
    best: Option<(usize, String)>,
}

impl<M: Model> Search<'_, M> {
    /// Looks at a new place; none if the search was here before.
    fn enter(&mut self, mut done: Done, state: M::State, mut left: usize) -> Option<Node<M::State>> {
        // What fits and changes nothing can be put in order at once: wherever it stands in an order that explains the
        // history, it can be moved forward to here.
        let open = loop {
            let open = self.open(&done);
            let idle = |index: &usize| {
                let operation = &self.operations[*index];
                operation.answered.is_some()
                    && self.model.step(&state, &operation.act).as_ref() == Some(&state)
            };
            let idle: Vec<usize> = open.iter().copied().filter(idle).collect();
            if idle.is_empty() {
                break open;
            }
            left -= idle.len();
            for index in idle {
                done.put(index);
            }
        };
        if !self.visited.insert((done.clone(), state.clone())) {
            return None;
        }
        if self.best.as_ref().is_none_or(|(least, _)| left < *least) {
            let next: Vec<_> = open.iter().map(|index| &self.operations[*index]).collect();
            let all = self.operations.len();
            let why =
                format!("{left} of {all} operations are left, in {state:?} none of these fits: {next:#?}");
            self.best = Some((left, why));
        }
        let mut next: Vec<usize> = open
            .into_iter()
            .filter(|index| {
                let after = self.model.step(&state, &self.operations[*index].act);
                after.is_some_and(|after| after != state)
            })
            .collect();
        // The one answered first is tried first; what nobody was answered, last.
        next.sort_by_key(|index| std::cmp::Reverse(self.operations[*index].answered.unwrap_or(u64::MAX)));
        Some(Node { done, state, left, next })
    }

    /// The operations that may come next: those asked before the first answer to any that is not in order.
    fn open(&self, done: &Done) -> Vec<usize> {
        let mut open = Vec::new();
        let mut first_answer = u64::MAX;
        for (index, operation) in self.operations.iter().enumerate() {
            if done.has(index) {
                continue;
            }
            if operation.asked > first_answer {
                break;
            }
            first_answer = first_answer.min(operation.answered.unwrap_or(u64::MAX));
            open.push(index);
        }
        open
    }
}
