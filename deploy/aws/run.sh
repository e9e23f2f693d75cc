#!/bin/sh
# Runs one command of Tidegate as a task of its own, shows its log and ends with its exit code: ./run.sh migrate
set -eu

output() {
    aws cloudformation describe-stacks --stack-name "$1" --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue"
}

words=$(printf '"%s",' "$@")
network="awsvpcConfiguration={subnets=[$(output tidegate-stores Subnets)],securityGroups=[$(output tidegate-stores GatewayGroup)]}"
task=$(aws ecs run-task --cluster tidegate --launch-type FARGATE --task-definition "$(output tidegate-task Task)" \
    --network-configuration "$network" --overrides "{\"containerOverrides\": [{\"name\": \"Main\", \"command\": [${words%,}]}]}" \
    --output text --query 'tasks[0].taskArn')
aws ecs wait tasks-stopped --cluster tidegate --tasks "$task"
aws logs get-log-events --log-group-name /tidegate --log-stream-name "task/Main/${task##*/}" \
    --output text --query 'events[].[message]'
exit "$(aws ecs describe-tasks --cluster tidegate --tasks "$task" --output text --query 'tasks[0].containers[0].exitCode')"
