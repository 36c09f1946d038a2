//! What Lambda starts in a function that runs R: an empty shell until the runtime is made.

fn main() {}
