"""Four floats at once.

The compiler does not see by itself that the four values of a grid point can be read, multiplied and added as one
vector; here it is told. It makes grids of several channels twice as fast.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, 4)
Typed: TypeAlias = tuple[Any, Callable[..., Any]]


def _add_vector(_: Any, array: Any, at: Any, factor: Any, a: Any, b: Any, c: Any, d: Any) -> Typed:
    """Do ``array[at:at+4] += factor * (a, b, c, d)``, all of them float32."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        array, at, factor, *values = given
        pointer = _pointer(context, builder, signature.args[0], array, at)
        product = builder.fmul(_pack(builder, [factor] * 4), _pack(builder, values), flags=("contract",))
        total = builder.fadd(builder.load(pointer, align=4), product, flags=("contract",))
        builder.store(total, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, at, factor, a, b, c, d), generate


def _sum_vectors(_: Any, array: Any, index: Any, weight: Any, x: Any, lanes: Any, block: Any) -> Typed:
    """Give the four sums over v of ``weight[v, x] * array[index[v, x] * lanes + block + (0, 1, 2, 3)]``."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        array, index, weight, x, lanes, block = given
        shape = cgutils.create_struct_proxy(signature.args[1])(context, builder, index).shape
        corners, width = cgutils.unpack_tuple(builder, shape)
        total = cgutils.alloca_once_value(builder, ir.Constant(VECTOR, [0.0] * 4))
        with cgutils.for_range(builder, corners) as loop:
            entry = builder.add(builder.mul(loop.index, width), x)
            factor = builder.load(_element(context, builder, signature.args[2], weight, entry))
            point = builder.load(_element(context, builder, signature.args[1], index, entry))
            at = builder.add(builder.mul(builder.zext(point, lanes.type), lanes), block)
            values = builder.load(_pointer(context, builder, signature.args[0], array, at), align=4)
            product = builder.fmul(_pack(builder, [factor] * 4), values, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        sums = builder.load(total)
        each = [builder.extract_element(sums, ir.Constant(ir.IntType(32), lane)) for lane in range(4)]
        return context.make_tuple(builder, signature.return_type, each)

    return types.UniTuple(types.float32, 4)(array, index, weight, x, lanes, block), generate


def _element(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    return builder.gep(cgutils.create_struct_proxy(kind)(context, builder, array).data, [at])


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    return builder.bitcast(_element(context, builder, kind, array, at), VECTOR.as_pointer())


def _pack(builder: Any, values: Sequence[Any]) -> Any:
    vector = ir.Constant(VECTOR, ir.Undefined)
    for lane, value in enumerate(values):
        vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), lane))
    return vector


add_vector: Callable[..., None] = intrinsic(_add_vector)
sum_vectors: Callable[..., tuple[Any, Any, Any, Any]] = intrinsic(_sum_vectors)
