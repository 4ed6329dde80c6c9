"""What the CUDA kernels can take at best on an H100: bytes and operations on paper, nothing measured.

    python bench/cuda_roof.py

3.35 TB/s of memory, 67 TFLOP/s in float32, 34 in float64. A kernel takes no less than the larger of its two
times; one after the other, the kernels of a task add up.
"""

from __future__ import annotations

from typing import NamedTuple

BYTES_A_SECOND = 3.35e12
FLOPS_A_SECOND = {4: 67e12, 8: 34e12}


class Part(NamedTuple):
    """One kernel or product of matrices."""

    name: str
    bytes: float
    flops: float
    itemsize: int

    @property
    def seconds(self) -> float:
        """The larger of the two times."""
        return max(self.bytes / BYTES_A_SECOND, self.flops / FLOPS_A_SECOND[self.itemsize])


def kink_search(lines: int, d: int, h: int, queries: float) -> list[Part]:
    """Float64, one hidden layer, `queries` answers a line, every unit once on each line."""
    kinks, words = lines * h, (h + 31) // 32
    return [
        Part("z_u, z_v", 8 * (2 * lines * d + h * d + 2 * lines * h), 4 * lines * d * h, 8),
        # Sums of a line stay in the first-level cache; six operations a unit and answer.
        Part(
            "KinkSearch",
            lines * (16 * h + 4 * words * queries) + kinks * (8 + 8 * words),
            6 * lines * h * queries,
            8,
        ),
        # One row of W is read and one jump written a kink; origins and directions for the offset.
        Part("KinkJumps", 8 * kinks * d + 16 * lines * d + kinks * (16 + 8 * words), 5 * kinks * d, 8),
    ]


def hessian_product(n: int, d: int, h: int, k: int) -> list[Part]:
    """Float32, one vector; a product (n, x) (x, y) reads both and writes one."""

    def gemm(name: str, rows: int, inner: int, cols: int) -> Part:
        return Part(name, 4 * (rows * inner + inner * cols + rows * cols), 2 * rows * inner * cols, 4)

    def stage(name: str, numbers: float) -> Part:
        return Part(name, 4 * numbers, 4 * numbers, 4)

    return [
        gemm("X V1'", n, d, h),
        stage("Tangent", 3 * n * h),
        gemm("a1 V2'", n, h, k),
        gemm("R{a1} W2'", n, h, k),
        stage("LossHessian", 3 * n * k),
        gemm("R{delta2}' a1", k, n, h),
        gemm("delta2' R{a1}", k, n, h),
        gemm("R{delta2} W2", n, k, h),
        gemm("delta2 V2", n, k, h),
        stage("TangentBackward", 5 * n * h),
        gemm("R{delta1}' X", h, n, d),
    ]


def masked_solves(count: int, h: int) -> list[Part]:
    """Float64, half of h rows allowed: column j of n = h / 2 is some 2 j + 1 long and j above its pivot."""
    n = h // 2
    # Each reflection of a column reads and writes it; n^3 / 6 numbers in all.
    touched = n**3 / 6
    return [
        Part("MaskedLeastSquares", count * (16 * touched + 8 * (2 * n * n + 3 * h)), count * 4 * touched, 8)
    ]


TASKS = {
    "10,000 lines on 784-128-1, float64": kink_search(10_000, 784, 128, 457),
    "one Hessian product, 60,000 x 784-64-10, float32": hessian_product(60_000, 784, 64, 10),
    "10,000 masked solves of 256, float64": masked_solves(10_000, 256),
}


def main() -> None:
    for task, parts in TASKS.items():
        print(task)
        for part in parts:
            work = f"{part.bytes / 1e9:8.2f} GB {part.flops / 1e9:8.2f} GFLOP"
            print(f"  {part.name:20} {work} {1e3 * part.seconds:8.3f} ms")
        print(f"  {'at least':20} {'':26} {1e3 * sum(part.seconds for part in parts):8.3f} ms")


if __name__ == "__main__":
    main()
