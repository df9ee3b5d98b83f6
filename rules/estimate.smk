"""What all of this costs, before it is run."""


rule estimate:
    log:
        results("logs/estimate.log"),
    conda:
        "../envs/mocapact.yaml"
    params:
        settings=values(*type(settings).model_fields),
    script:
        "../workflow_scripts/estimate.py"
