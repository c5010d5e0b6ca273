//! What the client takes of a chip, held against `firmware/qemu-virt/budget.txt`.

#[test]
#[ignore = "needs QEMU and images: cargo xtask test --part size"]
fn the_client_keeps_its_budgets() {
    crate::one_build(|| sockeye_boards::size::run(false));
}
