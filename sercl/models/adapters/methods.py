"""The adapter methods of sercl: one folder and one line here for each.

The order is the order of attaching: what replaces modules comes before what hooks them.
"""

from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.adapters.bottleneck.layer import BottleneckAdapter
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.gating.layer import GatingAdapter
from sercl.models.adapters.lora.config import LoraConfig
from sercl.models.adapters.lora.layer import LoraAdapter
from sercl.models.adapters.registry import register

register("lora", LoraConfig, LoraAdapter)
register("bottleneck", BottleneckConfig, BottleneckAdapter)
register("gating", GatingConfig, GatingAdapter)
