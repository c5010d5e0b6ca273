//! Instruction and cycle counters. With `-icount` they are repeatable from run to run.

/// Counts instructions from its construction.
#[derive(Clone, Copy)]
pub struct Instructions(u64);

impl Instructions {
    /// Starts to count.
    pub fn start() -> Self {
        Self(retired())
    }

    /// Instructions retired since the start.
    pub fn elapsed(self) -> u64 {
        retired() - self.0
    }
}

fn retired() -> u64 {
    riscv::register::minstret::read64()
}
