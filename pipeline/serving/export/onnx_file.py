"""A traced program as one ONNX file: text in front and behind, names, metadata; and its answers by ONNX Runtime."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from pipeline.data.encodings.rows import CATEGORICAL
from pipeline.kinds import kind_of
from pipeline.serving.export.program import PREFERENCE, Input, Program
from pipeline.serving.specification import Specification

_ML, _ML_VERSION = "ai.onnx.ml", 3  # has the encoder of labels, from and to text, since 2
_CODE = "/code"


def converted(traced: ExportedProgram, inputs: Mapping[str, str] | None = None) -> Any:
    """The model that torch's exporter makes of a program.

    Args:
        traced: It.
        inputs: What its inputs are called there, by name.
    """
    names = {} if inputs is None else {"input_names": list(inputs.values()), "output_names": _outputs(traced)}
    made = torch.onnx.export(traced, external_data=False, verbose=False, **names)  # type: ignore[arg-type]
    assert made is not None
    return made.model_proto


def input_names(program: Program) -> dict[str, str]:
    """What a program's inputs are called behind the encoders of text."""
    code = _CODE
    while any(code in it.name for it in program.inputs):
        code += "_"
    return {it.name: it.name + code * (it.kind == CATEGORICAL) for it in program.inputs}


def completed(model: Any, program: Program, spec: Specification, about: Mapping[str, str]) -> None:
    """Have categories come in and classes go out as text, name the rows of each source, and add metadata.

    Args:
        model: As torch's exporter made it.
        program: Of which.
        spec: Of the model.
        about: Metadata.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    rows = _rows(spec)
    given = {it.name: it for it in graph.input}
    names, front, inputs, dims = input_names(program), [], [], {}
    for it in program.inputs:
        own = given[names[it.name]]
        if it.kind != PREFERENCE:
            dims[own.type.tensor_type.shape.dim[0].dim_param] = rows[it.source]
        if it.kind == CATEGORICAL:
            values = it.column["values"] if it.column else []
            front.append(
                helper.make_node(
                    "LabelEncoder", [it.name], [own.name], domain=_ML, keys_strings=values,
                    values_int64s=[*range(1, len(values) + 1)], default_int64=0,
                )
            )  # fmt: skip
            own = helper.make_tensor_value_info(it.name, TensorProto.STRING, [rows[it.source]])
        inputs.append(own)
    del graph.input[:]
    graph.input.extend(inputs)
    nodes = [*front, *graph.node]
    outputs = []
    for own in graph.output:
        outputs.append(own)
        task, _, name = own.name.rpartition("/")
        form = kind_of(spec.tasks[task].kind).form
        if name == "label" and form in ("classes", "tags"):
            text = f"{task}/{'class' if form == 'classes' else 'tags'}"
            classes = list(spec.tasks[task].classes)
            nodes.append(
                helper.make_node(
                    "LabelEncoder", [own.name], [text], domain=_ML, keys_int64s=[*range(len(classes))],
                    values_strings=classes, default_string="",
                )
            )  # fmt: skip
            shape = [it.dim_param or it.dim_value for it in own.type.tensor_type.shape.dim]
            outputs.append(helper.make_tensor_value_info(text, TensorProto.STRING, shape))
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    graph.output.extend(outputs)
    for info in (*graph.input, *graph.output):
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param in dims:
                dim.dim_param = dims[dim.dim_param]
    del graph.value_info[:]  # of what is between; whoever wants the shapes infers them
    if spec.preference:
        shares = np.array(spec.preference["shares"], np.float32)
        (name,) = (it.name for it in program.inputs if it.kind == PREFERENCE)
        graph.initializer.append(numpy_helper.from_array(shares, name))  # a default that a caller may replace
    if not any(it.domain == _ML for it in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_ML, _ML_VERSION))
    del model.metadata_props[:]
    helper.set_model_props(model, dict(about))
    model.producer_name, model.producer_version = "headway", about["headway_version"]
    model.graph.name = about["model"]


def answers(path: str, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime answers, by output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [it.name for it in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feed)), strict=True))


def feed_of(inputs: list[Input], tensors: Mapping[str, torch.Tensor], texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Tensors of a program as ONNX Runtime takes them, text in the place of codes."""
    return {
        it.name: np.array(texts[it.name], object) if it.kind == CATEGORICAL else tensors[it.name].numpy()
        for it in inputs
    }


def _outputs(traced: ExportedProgram) -> list[str]:
    """The names in the mapping that a program answers."""
    spec: Any = traced.call_spec.out_spec
    return list(spec.context)


def _rows(spec: Specification) -> dict[str, str]:
    """What the number of rows of each source is called."""
    several = len(spec.sources) > 1
    return {name: f"{name}_rows" if several else "rows" for name in spec.sources}
