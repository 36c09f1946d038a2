//! A graph and one of its packages to the paths that bring it in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Graph;
use crate::model::PackageName;

/// Why a package is there; packages are given by their place in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    pub package: usize,
    /// What needs it directly, to build or to run.
    pub needed_by: Vec<usize>,
    /// From each package that nothing else needs, the shortest way here; shortest first.
    /// Empty where the package is itself one of those.
    pub paths: Vec<Vec<usize>>,
}

/// `None` where the graph has no such package.
pub fn why(graph: &Graph, name: &PackageName) -> Option<Why> {
    let package = graph.nodes.iter().position(|node| node.id.name == *name)?;
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        for dependency in &node.direct {
            needed_by.entry(*dependency).or_default().push(at);
        }
    }
    // Breadth first and upwards: the first way that reaches a package is a shortest.
    let mut next = BTreeMap::new();
    let mut queue = VecDeque::from([package]);
    let mut seen = BTreeSet::from([package]);
    let mut paths = Vec::new();
    while let Some(at) = queue.pop_front() {
        let above = needed_by.get(&at).map(Vec::as_slice).unwrap_or_default();
        if above.is_empty() && at != package {
            paths.push(way(at, package, &next));
        }
        for parent in above.iter().filter(|parent| seen.insert(**parent)) {
            next.insert(*parent, at);
            queue.push_back(*parent);
        }
    }
    Some(Why { package, needed_by: needed_by.remove(&package).unwrap_or_default(), paths })
}

fn way(from: usize, to: usize, next: &BTreeMap<usize, usize>) -> Vec<usize> {
    let mut path = vec![from];
    let mut at = from;
    while at != to {
        let Some(below) = next.get(&at) else { break };
        path.push(*below);
        at = *below;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Description;

    #[test]
    fn each_root_has_one_shortest_path() {
        let description = |name: &str, fields: &str| {
            Description::parse(&format!("Package: {name}\nVersion: 1.0\n{fields}")).unwrap()
        };
        let descriptions = vec![
            description("app1", "Imports: mid1, low1\n"),
            description("app2", "Imports: mid1\n"),
            description("app3", ""),
            description("mid1", "Imports: mid2\n"),
            description("mid2", "LinkingTo: low1\n"),
            description("low1", ""),
        ];
        let graph = Graph::new(descriptions, None, &BTreeSet::new()).unwrap();
        let name = |at: &usize| graph.nodes[*at].id.name.to_string();
        let shown = |package: &str| {
            let why = why(&graph, &package.parse().unwrap())?;
            let paths = why.paths.iter().map(|path| path.iter().map(name).collect::<Vec<_>>().join(" "));
            Some((why.needed_by.iter().map(name).collect::<Vec<_>>(), paths.collect::<Vec<_>>()))
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            shown("low1"),
            Some((owned(&["app1", "mid2"]), owned(&["app1 low1", "app2 mid1 mid2 low1"])))
        );
        assert_eq!(shown("app3"), Some((Vec::new(), Vec::new())));
        assert_eq!(shown("gone1"), None);
    }
}
