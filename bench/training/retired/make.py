"""Makes the train steps of ONNX Runtime 1.19.2's retired training build, for the models that are raced:
`node forward.ts /tmp/forward && python make.py /tmp/forward`, with onnxruntime-training-cpu 1.19.2, onnx and torch.

Forward and gradients are as `onnxruntime.training.artifacts.generate_artifacts` writes them, for its own kernels
(ConvGrad, MaxPoolGrad, ReluGrad, BatchNormalizationGrad ...). Two changes, both in its favour: gradients aren't
accumulated, and plain SGD stands in the same graph (its optimizer is a graph of its own). No weights are inside.
"""
import os
import sys
import tempfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.training import artifacts

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = 65


def prepared(name, model):
    """The forward model as its gradient builder wants it."""
    graph = model.graph
    if name == "gpt":  # its loss takes one row per position
        graph.initializer.append(numpy_helper.from_array(numpy.array([-1, VOCABULARY], dtype="int64"), "rows"))
        graph.node.append(helper.make_node("Reshape", ["logits", "rows"], ["flat"]))
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["positions", VOCABULARY]))
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            node.attribute.append(helper.make_attribute("training_mode", 1))
            node.output.extend([node.input[3] + "/next", node.input[4] + "/next"])
        if node.op_type == "LayerNormalization":
            node.output.extend([node.output[0] + "/mean", node.output[0] + "/deviation"])
    return model


def stepped(graph, trained, buffers):
    """Gradients no longer accumulated, weights updated: w - lr dw."""
    grads = {}
    kept = []
    for node in graph.node:
        if node.op_type == "InPlaceAccumulatorV2":
            grads[node.input[0].removesuffix("_grad.accumulation.buffer")] = node.input[1]
        else:
            kept.append(node)
    loss = graph.output[0].name
    del graph.node[:]
    graph.node.extend(kept)
    inputs = [i for i in graph.input if not i.name.endswith(".accumulation.buffer") and i.name != "lazy_reset_grad"]
    del graph.input[:]
    graph.input.extend(inputs + [helper.make_tensor_value_info("lr", TensorProto.FLOAT, [])])
    del graph.output[:]
    graph.node.append(helper.make_node("Identity", [loss], ["loss"]))
    graph.output.append(helper.make_tensor_value_info("loss", TensorProto.FLOAT, []))
    for name in trained:
        graph.node.append(helper.make_node("Mul", [grads[name], "lr"], [name + "/change"]))
        graph.node.append(helper.make_node("Sub", [name, name + "/change"], ["next/" + name]))
        graph.output.append(helper.make_empty_tensor_value_info("next/" + name))
    for name in buffers:
        graph.node.append(helper.make_node("Identity", [name + "/next"], ["next/" + name]))
        graph.output.append(helper.make_empty_tensor_value_info("next/" + name))


for name in ["mlp", "cnn", "resnet18", "gpt"]:
    model = prepared(name, onnx.load(os.path.join(sys.argv[1], name + ".onnx")))
    floats = [i.name for i in model.graph.initializer if i.data_type == TensorProto.FLOAT]
    buffers = [n for n in floats if "running" in n]
    trained = [n for n in floats if n not in buffers and not n.startswith("const")]
    frozen = [i.name for i in model.graph.initializer if i.name not in trained]
    with tempfile.TemporaryDirectory() as folder:
        artifacts.generate_artifacts(
            model,
            requires_grad=trained,
            frozen_params=frozen,
            loss=artifacts.LossType.CrossEntropyLoss,
            artifact_directory=folder,
        )
        step = onnx.load(os.path.join(folder, "training_model.onnx"))
    stepped(step.graph, trained, buffers)
    constants = [i for i in model.graph.initializer if i.name in frozen and i.name not in buffers]
    fed = [i for i in step.graph.input if i.name not in [c.name for c in constants]]
    del step.graph.input[:]
    step.graph.input.extend(fed)
    step.graph.initializer.extend(constants)
    onnx.save(step, os.path.join(HERE, name + ".onnx"))
    print(name, len(step.graph.node), "nodes")
