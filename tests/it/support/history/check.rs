//! Checks whether a history is linearisable: the search of Wing and Gong, with Lowe's cache of visited states.
//!
//! Each operation must appear to happen at one moment between its request and its response. The search applies the
//! possible next operations to a pure model, and backtracks if none fits. An operation without a response may have
//! happened at any time after its request, or never.

use std::{
    collections::HashSet,
    fmt::{self, Debug},
    hash::Hash,
};

/// The number of visited states at which the search stops. A history of thousands of operations needs thousands.
const VISITED_MAX: usize = 2_000_000;

/// The model of an object.
pub(crate) trait Model {
    /// The object's state.
    type State: Clone + Debug + Eq + Hash;
    /// An operation together with its result.
    type Act: Debug;

    /// Returns the state after the act, or `None` if the result is impossible in this state.
    fn step(&self, state: &Self::State, act: &Self::Act) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug)]
pub(crate) struct Operation<A> {
    /// The time of the request, on a clock shared by all clients.
    pub(crate) asked: u64,
    /// The time of the response. `None` if the outcome is unknown.
    pub(crate) answered: Option<u64>,
    /// The operation and its result.
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

/// The reason why no linearisation was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// No order explains the history. Describes the longest partial order and the operations that could not follow.
    NoOrder(String),
    /// The search exceeded its limit.
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

/// The set of operations that are already in order.
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

/// A node of the search: the ordered operations, the state after them, and the possible next ones.
struct Node<S> {
    done: Done,
    state: S,
    /// The number of completed operations that are not in order yet.
    left: usize,
    /// The possible next operations. The best is last.
    next: Vec<usize>,
}

/// Finds an order of the operations that the model allows, starting with `start`.
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
    /// The operations, ordered by their requests.
    operations: &'a [Operation<M::Act>],
    visited: HashSet<(Done, M::State)>,
    /// The smallest number of remaining operations so far, and a description of that dead end.
    best: Option<(usize, String)>,
}

impl<M: Model> Search<'_, M> {
    /// Creates the node of a new position. Returns `None` if the search has visited it.
    fn enter(&mut self, mut done: Done, state: M::State, mut left: usize) -> Option<Node<M::State>> {
        // An operation that fits and does not change the state can be ordered at once. In any valid order, it can be
        // moved forward to this position.
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
        // Try the operation with the first response first, and those without a response last.
        next.sort_by_key(|index| std::cmp::Reverse(self.operations[*index].answered.unwrap_or(u64::MAX)));
        Some(Node { done, state, left, next })
    }

    /// Returns the possible next operations: those requested before the first response to an operation that is not in
    /// order.
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
